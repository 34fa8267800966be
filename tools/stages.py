"""Run the project's checks stage by stage, each with its time: `python -m tools.stages check|test`.

A stage that fails does not stop the ones after it (one run shows all that is wrong), except where a
later stage stands on it. The exit status is that of the whole.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ("-m", "pytest", "-q", "--no-header")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: arguments for this Python, and the stages without which it makes no sense."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


CHECK = (
    Stage("format", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    Stage("lint", ("-m", "ruff", "check", "--quiet", ".")),
    Stage("types", ("-m", "mypy")),
    Stage(
        "layers",
        ("-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"),
    ),
    Stage("generated", ("-m", "tools.generate", "--check")),
    Stage(
        "unit",
        (*PYTEST, "-n", "auto", "tests/unit", "tests/components", "tests/golden"),
        environment={"HYPOTHESIS_PROFILE": "check"},
    ),
    Stage("property", (*PYTEST, "tests/property"), environment={"HYPOTHESIS_PROFILE": "check"}),
)

TEST = (
    *CHECK,
    Stage("oracles", ("-m", "tools.oracles")),
    Stage("marketdata", ("-m", "tools.marketdata", "check")),
    Stage("language", ("-m", "tools.language", "--check", "--retrain")),
    Stage("planted bugs", ("tests/property/planted_bugs.py",)),
    Stage("processes", (*PYTEST, "tests/processes")),
    Stage("parts", ("-m", "tools.testenv", "prepare")),
    Stage("integration", (*PYTEST, "tests/integration"), needs=("parts",)),
    Stage("faults", (*PYTEST, "tests/faults"), needs=("parts",)),
    Stage("chart", (*PYTEST, "tests/chart"), needs=("parts",)),
    Stage("cluster", ("-m", "tools.testenv", "up"), needs=("parts",)),
    Stage("e2e", (*PYTEST, "tests/e2e"), needs=("cluster",)),
)


@dataclass(frozen=True, slots=True)
class Result:
    stage: Stage
    verdict: str
    seconds: float


def run(stages: Sequence[Stage], only: Sequence[str]) -> list[Result]:
    """Run the stages in order; one whose ground is missing counts as failed, never as skipped."""
    results: list[Result] = []
    for stage in stages:
        if only and stage.name not in only:
            continue
        failed = {result.stage.name for result in results if result.verdict != "passed"}
        missing = [need for need in stage.needs if need in failed]
        print(f"\n━━ {stage.name}", flush=True)
        started = time.monotonic()
        if missing:
            print(f"cannot start: {', '.join(missing)} failed", flush=True)
            verdict = "failed"
        else:
            finished = subprocess.run(
                [sys.executable, *stage.arguments],
                cwd=ROOT,
                env={**os.environ, **stage.environment},
                check=False,
            )
            verdict = "passed" if finished.returncode == 0 else "failed"
        result = Result(stage, verdict, time.monotonic() - started)
        print(f"━━ {stage.name} {verdict} after {result.seconds:.1f} s", flush=True)
        results.append(result)
    return results


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
    results = run(stages, options.only)
    print("\n━━ summary")
    for result in results:
        print(f"{result.stage.name:14} {result.verdict:8} {result.seconds:8.1f} s")
    print(f"{'all':14} {'':8} {sum(r.seconds for r in results):8.1f} s", flush=True)
    return int(any(result.verdict == "failed" for result in results))


if __name__ == "__main__":
    sys.exit(main())
