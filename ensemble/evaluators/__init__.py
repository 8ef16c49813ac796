"""How the rows of the leaderboard are measured, a module a task."""
