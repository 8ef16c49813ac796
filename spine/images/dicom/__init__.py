"""DICOM in: headers, pixels, series, the choice of the mid-sagittal slice, de-identified copies.

The one home of pydicom. Importing this package imports none of it: import the module that is needed.
"""
