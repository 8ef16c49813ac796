"""Files -> samples as they are stored, one module a format; every length and checksum in them is verified.

    png.py jpeg.py tiff.py         pictures: each gives `Raster`s, upright
    nifti.py metaimage.py nrrd.py  volumes: each gives a `Grid`, and the voxels are read by it

`tags.py` reads the directories that TIFF and EXIF share, `orientation.py` turns what lies on its side.
"""
