"""`python -m segkit`."""

from segkit.cli import main

main()
