"""Run the project's checks stage by stage, each with its time: `python -m tools.stages check|test`.

A stage that fails does not stop the ones after it (one run shows all that is wrong), except where a
later stage stands on it. The exit status is that of the whole. Stages that mostly wait (for a cluster) run
beside those that mostly compute; see `lanes`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.lanes import Result, Run, Stage, verdict

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = ROOT / "build" / "stages"
PYTEST = ("-m", "pytest", "-q", "--no-header")
SMALL = {"HYPOTHESIS_PROFILE": "check"}

CHECK = (
    Stage("format", ("-m", "ruff", "format", "--check", "--quiet", "."), lane="static"),
    Stage("lint", ("-m", "ruff", "check", "--quiet", "."), lane="static"),
    Stage("types", ("-m", "mypy"), lane="static"),
    Stage(
        "layers",
        ("-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"),
        lane="static",
    ),
    Stage("generated", ("-m", "tools.generate", "--check"), lane="static"),
    Stage("property", (*PYTEST, "tests/property"), lane="static", environment=SMALL),
    Stage(
        "unit", (*PYTEST, "-n", "auto", "tests/unit", "tests/components", "tests/golden"), environment=SMALL
    ),
)

TEST = (
    *CHECK,
    Stage("oracles", ("-m", "tools.oracles")),
    Stage("marketdata", ("-m", "tools.marketdata", "check")),
    Stage("language", ("-m", "tools.language", "--check", "--retrain")),
    Stage("planted bugs", ("tests/property/planted_bugs.py",)),
    Stage("processes", (*PYTEST, "tests/processes")),
    Stage("parts", ("-m", "tools.testenv", "prepare"), lane="cluster"),
    Stage("integration", (*PYTEST, "tests/integration"), needs=("parts",)),
    Stage("faults", (*PYTEST, "tests/faults"), needs=("parts",)),
    Stage("monitoring", (*PYTEST, "tests/monitoring"), needs=("parts",)),
    Stage("chart", (*PYTEST, "tests/chart"), needs=("parts",)),
    Stage("cluster", ("-m", "tools.testenv", "up"), needs=("parts",), lane="cluster"),
    Stage("e2e", (*PYTEST, "tests/e2e"), needs=("cluster",), lane="cluster"),
)


def table(results: Sequence[Result], seconds: float) -> str:
    """How each stage ended, and how long all of it took (lanes overlap: it is not the sum)."""
    lines = [f"{one.stage.name:14} {verdict(one):8} {one.seconds:8.1f} s" for one in results]
    return "\n".join([*lines, f"{'all':14} {'':8} {seconds:8.1f} s"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.stages", description=__doc__)
    parser.add_argument(
        "suite", choices=("check", "test"), help="check: under a minute, no cluster; test: everything"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="run these stages alone")
    options = parser.parse_args()
    stages = CHECK if options.suite == "check" else TEST
    unknown = set(options.only) - {stage.name for stage in stages}
    if unknown:
        parser.error(
            f"no stage named {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in stages)}"
        )
    wanted = [stage for stage in stages if not options.only or stage.name in options.only]
    started = time.monotonic()
    results = Run(wanted, directory=ROOT, outputs=OUTPUTS).to_the_end()
    print(f"\n━━ summary\n{table(results, time.monotonic() - started)}", flush=True)
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
