"""Classification members: one grade, finding or class a picture."""
