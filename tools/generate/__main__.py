"""`python -m tools.generate` writes the generated files; with `--check` it only says which are stale."""

import argparse
import sys
from pathlib import Path

from tools.generate import files, manifests


def main() -> int:
    """Write the files, or with `--check` compare them. Exit status 1: something was stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    check = parser.parse_args().check

    stale = files.stale()
    for path in stale:
        report(path, check)
        if not check:
            files.write(path)
    # The manifest is made of the chart, which holds a copy of the definition: so it comes last.
    if manifests.is_stale():
        report(manifests.PATH, check)
        stale.append(manifests.PATH)
        if not check:
            render_manifest()
    return 1 if check and stale else 0


def report(path: Path, check: bool) -> None:
    """One line per file; what is wrong goes to standard error."""
    relative = path.relative_to(files.ROOT)
    if check:
        print(f"stale: {relative} (run `make generate`)", file=sys.stderr)
    else:
        print(f"written: {relative}")


def render_manifest() -> None:
    """Only this needs Helm, which is built on first use: `--check` must do without."""
    from tools import testenv

    text = manifests.render(testenv.binaries("helm")["helm"])
    manifests.PATH.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
