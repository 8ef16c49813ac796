"""What a search of weights is about, one kind a task: members' predictions beside the truth, reduced once."""
