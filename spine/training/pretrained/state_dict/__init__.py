"""Weights of PyTorch networks: a file's tensors, read without unpickling, and where each belongs in a Keras network."""
