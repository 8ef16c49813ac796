"""Files, problems, privacy, processes and settings: what every room stands on."""
