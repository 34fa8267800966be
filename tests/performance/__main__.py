"""Measure this tree: `make bench`, or one part with `make bench ARGS="gap"`.

system    the sixteen as processes: start, memory, health, workflows, users, rules, stop
gap       our own overhead on a simulated cluster, beside a script with one watch
drift     an edited child put right, also after an outage, and a quota named, on a simulated cluster
ordering  a start in order on the kind cluster, beside the same workloads applied all at once
life      memory, health answers, workflows, users, shutdown, kill -9 and hang on the kind cluster, beside a bare Deployment
rest      five minutes at rest: writes, requests, CPU and memory of the operator
recovery  every fault: noticed, mended, nothing else touched; all 16 killed at once; the trading gate; alerts
kills     a random component killed every ten seconds for ten minutes, beside bare copies
nodes     a node of three is lost: the cause is named, what ran on it comes back elsewhere
soak      an hour of health in fast form, at rest and at twice the load: no restart, no action

Every figure that is held against another is measured beside it in the same run; quote the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tools.cluster.steps import main_guard

from performance import components, drift, gap, kills, life, nodes, ordering, recovery, rest, soak
from performance.results import Results

PARTS = {
    "system": components.measure,
    "gap": gap.measure,
    "drift": drift.measure,
    "ordering": ordering.measure,
    "life": life.measure,
    "rest": rest.measure,
    "recovery": recovery.measure,
    "kills": kills.measure,
    "nodes": nodes.measure,
    "soak": soak.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help="which parts; without any, all of them"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison (default 5)")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        print(f"━━ {part}", flush=True)
        started, results = time.monotonic(), Results()
        try:
            with tempfile.TemporaryDirectory(prefix="alluse-bench-") as directory:
                asyncio.run(PARTS[part](results, Path(directory), options.rounds))
        finally:
            # What was measured before something broke is measured.
            written = results.write(part)
            print(f"━━ {part} ended after {time.monotonic() - started:.0f} s: {written}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main_guard(main))
