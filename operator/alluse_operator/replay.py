"""Makes a decision again from its record: `python3 -m alluse_operator.replay FILE`.

The planner is pure, so what it was given is enough. A record comes from the operator's journal:

    kubectl -n alluse-system port-forward POD 8081 &
    curl -s 127.0.0.1:8081/journal?system=trading/main     the latest decisions, newest first
    curl -s 127.0.0.1:8081/journal/17 > decision.json      one of them, with all that it stands on
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from alluse_operator.api.errors import InvalidSpec
from alluse_operator.core import outline
from alluse_operator.core.desired import Defaults
from alluse_operator.core.journal import FORMAT
from alluse_operator.core.observation import decode, decode_time
from alluse_operator.core.plan import Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.resolve import resolve
from alluse_operator.resources.build import build_all
from alluse_operator.version import operator_version


class UnreadableRecordError(ValueError):
    """The file holds no record of a decision."""


def replay(record: Mapping[str, Any], later: timedelta = timedelta(0)) -> Plan:
    """The plan that this operator makes of what was given, on a clock that shows the time of the record, or
    so much more. Raises UnreadableRecordError.
    """
    try:
        if record["format"] != FORMAT:
            raise UnreadableRecordError(f"records of format {record['format']} are not known here")
        given = decode(record["inputs"])
        now = decode_time(record["time"]) + later
        defaults = Defaults(
            component_image=record["defaults"]["componentImage"],
            version=record["defaults"]["version"],
            operator_namespace=record["defaults"]["operatorNamespace"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecordError(f"it is not a record of a decision: {error!r}") from error
    snapshot = given.read()
    try:
        system = resolve(snapshot.resource.identity, snapshot.resource.spec, defaults)
    except InvalidSpec as error:
        return make_plan(error, {}, snapshot, now)
    return make_plan(system, build_all(system), snapshot, now)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the same decision; 1: another one; 2: the record cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python3 -m alluse_operator.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a record of the journal; -: standard input")
    parser.add_argument(
        "--later",
        metavar="SECONDS",
        type=float,
        help="show in outline what would be decided so much later, if nothing had changed but the time",
    )
    chosen = parser.parse_args(arguments)
    try:
        text = sys.stdin.read() if chosen.file == "-" else Path(chosen.file).read_text(encoding="utf-8")
        record = json.loads(text)
        plan = replay(record, timedelta(seconds=chosen.later or 0))
    except (OSError, ValueError) as error:
        print(f"{chosen.file}: {error}", file=sys.stderr)
        return 2
    if chosen.later is not None:
        moment = decode_time(record["time"]) + timedelta(seconds=chosen.later)
        print(json.dumps(outline.outline(plan, moment), indent=2))
        return 0
    return _compare(record, plan)


def _compare(record: Mapping[str, Any], plan: Plan) -> int:
    described = outline.describe(plan)
    found = outline.digest(described)
    if found == record["digest"]:
        print(f"Same: {found}, decided {record['time']} for {record['system']}")
        return 0
    print(f"Different: {found} now, {record['digest']} then ({record['time']}, {record['system']})")
    if record["version"] != operator_version():
        print(f"The record is of operator {record['version']}, this is {operator_version()}.")
    print("\n".join(_difference(record["plan"], described)))
    return 1


def _difference(then: Any, now: Any) -> list[str]:
    before, after = (json.dumps(document, indent=1, sort_keys=True).splitlines() for document in (then, now))
    return list(difflib.unified_diff(before, after, "then", "now", lineterm="", n=2))


if __name__ == "__main__":
    sys.exit(main())
