"""The fused SavedModel: its module, its check, and what TF Serving needs beside it."""
