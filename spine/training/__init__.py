"""Training one member of any task: phases of epochs, each safe on disk before the next begins."""
