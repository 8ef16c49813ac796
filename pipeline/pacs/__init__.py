"""Studies of a picture archive, by DICOMweb: pulled, answered, and their results stored beside them, each once."""
