"""`python -m pipeline.cli`: the command `spine` where its script is not on the path."""

from pipeline.cli import main

main()
