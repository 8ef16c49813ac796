"""The application above the tasks and the ensemble: experiment files of every task, the stages in order, `spine`."""
