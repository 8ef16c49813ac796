"""Asking models: files of any kind -> pictures to send -> answers -> what is written of them.

    pictures.py   files, folders and archives as pictures that may be sent; unzip.py: archives, within bounds
    model.py      what every model is to those who ask: LocalModel (local.py), in this process, and
                  RemoteModel (remote.py), behind an address.py, over_rest.py or over_grpc.py
    write.py      answers -> JSON, pictures, tables, DICOM; ask.py: all of it for the command line
    check.py      whether a server answers as the stored predictions do

Importing this package imports no framework.
"""

from pipeline.client.local import LocalModel
from pipeline.client.model import Model
from pipeline.client.pictures import SentPicture, pictures_of
from pipeline.client.refusals import ServerError
from pipeline.client.remote import RemoteModel
from pipeline.client.unzip import ZipLimits

__all__ = ["LocalModel", "Model", "RemoteModel", "SentPicture", "ServerError", "ZipLimits", "pictures_of"]
