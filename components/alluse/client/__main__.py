"""`python3 -m alluse.client`: the same as the command `alluse`."""

import sys

from alluse.client.command import main

if __name__ == "__main__":
    sys.exit(main())
