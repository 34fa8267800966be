"""`python3 -m alluse_operator`: read the settings, set up the logs, run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from alluse_operator import logs, settings
from alluse_operator.application import Application
from alluse_operator.errors import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after an orderly stop, 2 for settings that cannot work."""
    try:
        chosen = settings.parse(sys.argv[1:] if arguments is None else arguments)
        logs.configure(chosen.log_level, chosen.log_format)
        asyncio.run(Application.run(chosen))
    except SettingsError as error:
        print(f"alluse_operator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
