"""Asking models: files of any kind -> pictures to send -> answers -> what is written of them.

    pictures.py   files, folders and archives as pictures that may be sent; unzip.py: archives, within bounds
    model.py      what every model is to those who ask: LocalModel (local.py), in this process

Importing this package imports no framework.
"""

from pipeline.client.local import LocalModel
from pipeline.client.model import Model
from pipeline.client.pictures import SentPicture, pictures_of
from pipeline.client.unzip import ZipLimits

__all__ = ["LocalModel", "Model", "SentPicture", "ZipLimits", "pictures_of"]
