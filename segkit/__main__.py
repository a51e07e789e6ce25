"""Entry point of `python -m segkit`."""

import os
import sys


def _leave_out_working_directory() -> None:
    # Python looks for modules there first, but it may be a folder from others. pip does the same.
    folder, checkout = os.getcwd(), os.path.dirname(os.path.dirname(__file__))
    if sys.path[0] == folder != checkout:
        del sys.path[0]


if __name__ == "__main__":
    _leave_out_working_directory()
    from segkit.cli import main

    main()
