"""`python3 -m alluse_operator.cli`: the same as `kubectl allusesystem`."""

import sys

from alluse_operator.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
