"""DICOM out: an answer as segmentation, structured report and secondary capture, filed with the images it is about.

The one home of highdicom. Importing this package imports neither it nor pydicom: import the module that is needed.
"""
