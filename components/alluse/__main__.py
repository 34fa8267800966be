"""`python3 -m alluse`: run the component that ALLUSE_COMPONENT names.

`python3 -m alluse backup FILE` copies the component's store while it runs, `restore FILE` puts a copy back
while it does not. Exit codes: 0 done, 1 failed, 2 wrong use or environment.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alluse.runtime.identity import Identity, StartError
from alluse.runtime.listening import listen


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
            return _backup(store, Path(target))
        case ["restore", source]:
            return _restore(store, Path(source))
    print(__doc__, file=sys.stderr)
    return 2


def _serve(identity: Identity) -> int:
    try:
        sock = listen(identity.host, identity.port)
    except OSError as error:
        print(f"cannot listen on port {identity.port}: {error}", file=sys.stderr)
        return 1
    from alluse.runtime.server import run  # imports the rest, which is the greater part of a start

    return run(identity, sock)


def _backup(store: Path, target: Path) -> int:
    from alluse.runtime.store import backup

    return _copy(lambda: backup(store, target), f"{store} is backed up to {target}")


def _restore(store: Path, source: Path) -> int:
    from alluse.runtime.store import restore

    return _copy(lambda: restore(source, store), f"{store} is restored from {source}")


def _copy(work: Callable[[], None], done: str) -> int:
    from alluse.runtime.store import StoreError

    try:
        work()
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
