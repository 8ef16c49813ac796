"""What an experiment's trainings will take, told before they run: a few batches of each measured, the rest counted."""
