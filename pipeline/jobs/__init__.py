"""Jobs: commands that may be run twice, anywhere; engines that run them, and what the files tell of them."""
