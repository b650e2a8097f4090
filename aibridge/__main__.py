"""`python -m aibridge` is `aibridge`."""

import sys

from aibridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
