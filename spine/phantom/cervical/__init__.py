"""Cervical sagittal MR with injured discs and lesions of the cord, and boxes around them."""
