"""The published systems: what each paper printed, what its own numbers imply, and its pack beside ours."""
