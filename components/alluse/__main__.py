"""`python3 -m alluse`: run the component that ALLUSE_COMPONENT names.

`python3 -m alluse backup FILE` copies the component's store while it runs, `restore FILE` puts a copy back
while it does not. Exit codes: 0 done, 1 failed, 2 wrong use or environment.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alluse.runtime import lean  # noqa: F401  first, because it acts on what is imported after it
from alluse.runtime.errors import StartError
from alluse.runtime.faults import EXIT_CODE, must_exit
from alluse.runtime.identity import Identity
from alluse.runtime.loading import load_service
from alluse.runtime.server import serve
from alluse.runtime.store import StoreError, backup, restore


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run what the arguments ask for and return the exit code."""
    try:
        identity = Identity.from_environ(environ)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    store = identity.state_dir / f"{identity.name}.db"
    match list(arguments):
        case []:
            return _serve(identity)
        case ["backup", target]:
            return _copy(lambda: backup(store, Path(target)), f"{store} is backed up to {target}")
        case ["restore", source]:
            return _copy(lambda: restore(Path(source), store), f"{store} is restored from {source}")
    print(__doc__, file=sys.stderr)
    return 2


def _serve(identity: Identity) -> int:
    import asyncio

    if identity.takes_faults and must_exit(identity.state_dir):
        print("fault injected: exit", file=sys.stderr)
        return EXIT_CODE
    try:
        asyncio.run(serve(identity, load_service(identity.facts)))
    except OSError as error:
        print(f"cannot listen on port {identity.port}: {error}", file=sys.stderr)
        return 1
    return 0


def _copy(work: Callable[[], None], done: str) -> int:
    try:
        work()
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
