"""Run the project's checks stage by stage, each with its time: `python -m tools.stages check|test`.

A stage that fails does not stop the ones after it (one run shows all that is wrong), except where a
later stage stands on it. The exit status is that of the whole. Stages that mostly wait (for a cluster) run
beside those that mostly compute; see `lanes`.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.cluster import paths
from tools.cluster.steps import main_guard
from tools.lanes import Result, Run, Stage, verdict

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = ROOT / "build" / "stages"
PYTEST = ("-m", "pytest", "-q", "--no-header")
#: Each file in one piece, two files side by side: for tests that mostly wait.
TWO_FILES = ("-n", "2", "--dist", "loadfile")
#: The same in the order in which pytest has them.
IN_ORDER = (*TWO_FILES, "--no-loadscope-reorder")
#: Components whose tests mostly compute, while those of the others mostly wait: these run beside those.
RULES = ("tests/components/risk", "tests/components/trading")
BUT_RULES = tuple(f"--ignore={folder}" for folder in RULES)
SMALL = {"HYPOTHESIS_PROFILE": "check"}
#: Goes by what a module holds and not by where it is: in a fresh clone, too, mypy checks what has changed.
KNOWN_TYPES = {"MYPY_CACHE_DIR": str(paths.cache_root() / "mypy")}
#: Stages that only compute leave the processor to those in which something real has to answer in time.
COMPUTES = 19
#: Stages with real parts of their own leave most of it to the cluster, for which a run waits longest.
ANSWERS = 5

_CHECKS = (
    Stage("format", ("-m", "ruff", "format", "--check", "--quiet", "."), lane="compute", nice=COMPUTES),
    Stage("lint", ("-m", "ruff", "check", "--quiet", "."), lane="compute", nice=COMPUTES),
    Stage("types", ("-m", "mypy"), lane="compute", environment=KNOWN_TYPES, nice=COMPUTES),
    Stage(
        "layers",
        ("-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"),
        lane="compute",
        nice=COMPUTES,
    ),
    Stage("generated", ("-m", "tools.generate", "--check"), lane="compute", nice=COMPUTES),
    Stage("unit", (*PYTEST, "tests/unit", "tests/golden"), lane="compute", environment=SMALL, nice=COMPUTES),
    Stage("property", (*PYTEST, "tests/property"), lane="compute", environment=SMALL, nice=COMPUTES),
    Stage("rules", (*PYTEST, *RULES), lane="compute", environment=SMALL, nice=ANSWERS),
    Stage("components", (*PYTEST, "tests/components", *BUT_RULES), environment=SMALL, nice=ANSWERS),
)

#: Alone they have the processor to themselves: what only computes is side by side, too.
CHECK = tuple(
    dataclasses.replace(stage, lane="beside") if stage.name in ("property", "rules") else stage
    for stage in _CHECKS
)

TEST = (
    *_CHECKS,
    Stage("parts", ("-m", "tools.testenv", "prepare"), lane="cluster"),
    Stage("cluster", ("-m", "tools.testenv", "up"), needs=("parts",), lane="cluster"),
    Stage("e2e", (*PYTEST, *IN_ORDER, "tests/e2e", "--ignore=tests/e2e/alone"), ("cluster",), lane="cluster"),
    Stage("e2e alone", (*PYTEST, "tests/e2e/alone"), needs=("cluster",), lane="cluster"),
    Stage("faults", (*PYTEST, *TWO_FILES, "tests/faults"), needs=("parts",), nice=ANSWERS),
    Stage("integration", (*PYTEST, *TWO_FILES, "tests/integration"), needs=("parts",), nice=ANSWERS),
    Stage("chart", (*PYTEST, "tests/chart"), needs=("parts",), nice=ANSWERS),
    Stage("monitoring", (*PYTEST, "tests/monitoring"), needs=("parts",), nice=ANSWERS),
    Stage("processes", (*PYTEST, "tests/processes"), nice=ANSWERS),
    Stage("contracts", ("-m", "tools.contracts"), lane="compute", nice=COMPUTES),
    Stage("oracles", ("-m", "tools.oracles"), lane="compute", nice=COMPUTES),
    Stage("marketdata", ("-m", "tools.marketdata", "check"), lane="compute", nice=COMPUTES),
    Stage("language", ("-m", "tools.language", "--check", "--retrain"), lane="compute", nice=COMPUTES),
    Stage("planting", (*PYTEST, "tests/planted"), lane="compute", nice=COMPUTES),
    Stage("planted bugs", ("tests/planted/planted_bugs.py", "--jobs", "1"), lane="compute", nice=COMPUTES),
)


def table(results: Sequence[Result], seconds: float) -> str:
    """How each stage ended, its time, and the processor time that it took.

    Lanes overlap, so all of it takes less than the sum; what runs in the cluster's nodes computes besides.
    """
    rows = [(one.stage.name, verdict(one), one.seconds, one.computed) for one in results]
    rows.append(("all", "", seconds, sum(one.computed for one in results)))
    return "\n".join(
        f"{name:14} {how:8} {took:8.1f} s {computed:8.1f} s cpu" for name, how, took, computed in rows
    )


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
    # As Ctrl-C does: what was begun is ended.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    started = time.monotonic()
    results = Run(wanted, directory=ROOT, outputs=OUTPUTS).to_the_end()
    print(f"\n━━ summary\n{table(results, time.monotonic() - started)}", flush=True)
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main_guard(main))
