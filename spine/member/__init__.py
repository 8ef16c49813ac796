"""A member is a directory: its card, its SavedModel and what it predicted."""
