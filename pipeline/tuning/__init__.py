"""`spine tune`: a search for the settings of a member, each trial a training of it."""
