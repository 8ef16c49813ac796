"""Pictures, volumes and DICOM: from files to grey levels, masks and where they lie."""
