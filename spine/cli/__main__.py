"""`python -m spine.cli`: the command `spine` where its script is not on the path."""

from spine.cli import main

main()
