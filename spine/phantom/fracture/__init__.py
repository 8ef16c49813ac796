"""Axial CT of cervical vertebrae with and without a fracture, as pictures in a folder a class."""
