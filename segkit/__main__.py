"""Entry point of `python -m segkit`."""

from segkit.cli import main

main()
