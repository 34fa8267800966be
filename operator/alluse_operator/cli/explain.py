"""`why COMPONENT`: the chain to the root, the part of the predicate that is false, what comes next."""

from __future__ import annotations

from datetime import timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import DependencyCondition
from alluse_operator.cli import predicates
from alluse_operator.cli.chain import Chain, Link, chains
from alluse_operator.cli.picture import Picture, Row
from alluse_operator.cli.words import ago, ahead, clock, plain, span
from alluse_operator.core.times import parse_time

_MARKS = {True: "yes", False: "NO ", None: " ? "}
#: What the kubelet mends by itself; the operator only watches.
_KUBELETS = frozenset(
    {
        ComponentReason.CRASHED,
        ComponentReason.CRASH_LOOP,
        ComponentReason.IMAGE_PULL_FAILED,
        ComponentReason.CONTAINER_CONFIG_ERROR,
    }
)


def why(picture: Picture, name: str) -> list[str]:
    """The lines of `why`."""
    row = picture.rows.get(name)
    if row is None:
        return [f"{name}: the operator has not spoken of it yet", *_system_lines(picture)]
    lines = []
    found = chains(picture, name)
    for number, chain in enumerate(found, start=1):
        if len(found) > 1:
            lines.append(f"{number} of {len(found)} roots:")
        lines += _chain(picture, chain)
    return [plain(line) for line in (*lines, *_system_lines(picture))]


def _chain(picture: Picture, chain: Chain) -> list[str]:
    lines: list[str] = []
    for depth, link in enumerate(chain.links):
        indent = "   " * depth
        row = picture.rows.get(link.name) or Row(link.name)
        last = depth == len(chain.links) - 1
        mark = "  <- the root" if last and depth and not chain.outside else ""
        lines.append(f"{indent}{_headline(row, picture)}{mark}")
        if row.message and (last or row.well) and row.state not in ("Healthy", "Completed"):
            lines.append(f"{indent}   says: {row.message}")
        lines += [f"{indent}   {text}" for text in _wait_lines(picture, row, link, chain, depth)]
        if last:
            lines += [f"{indent}   {text}" for text in _root_lines(picture, row, chain)]
    return lines


def _headline(row: Row, picture: Picture) -> str:
    reason = f" ({row.reason})" if row.reason and row.reason != row.state else ""
    since = f" {ago(row.since, picture.now)}" if row.since is not None else ""
    return f"{row.name} is {row.state}{reason}{since}"


def _wait_lines(picture: Picture, row: Row, link: Link, chain: Chain, depth: int) -> list[str]:
    """What the component needs of the next one, and which part of that is false."""
    if link.condition is None:
        return []
    other = chain.links[depth + 1].name
    word = "requires" if link.required else "prefers"
    lines = [f"it {word} {other} to be {link.condition}; false there is:"]
    lines += [f"   {text}" for text in _false_parts(picture, other, link.condition)]
    wait = next((w for w in row.waiting_for if w.get("name") == other), {})
    deadline = parse_time(wait.get("deadline"))
    if deadline is not None:
        lines.append(_deadline_words(row, link, deadline - picture.now, clock(deadline)))
    return lines


def _deadline_words(row: Row, link: Link, left: timedelta, at: str) -> str:
    end = "it is Blocked" if link.required else "it starts without"
    if left > timedelta(0):
        return f"it waits until {at} (in {span(left)}), then {end}"
    return f"the deadline {at} has passed {span(-left)} ago: {end}; it starts as soon as the condition holds"


def _false_parts(picture: Picture, name: str, condition: DependencyCondition) -> list[str]:
    found = predicates.checks(picture, name, condition)
    false = [check for check in found if check.holds is False]
    if false:
        return [f"{check.what}: {check.found}" for check in false]
    row = picture.rows.get(name) or Row(name)
    return [f"nothing any more as seen from here; the operator's last word is {row.state} ({row.reason})"]


def _root_lines(picture: Picture, row: Row, chain: Chain) -> list[str]:
    condition = predicates.own_condition(picture.component(row.name), picture.workloads.get(row.name))
    lines = [f"{condition}({row.name}), part by part:"]
    if row.state != "Disabled":
        lines += [
            f"   {_MARKS[check.holds]}  {check.what}: {check.found}"
            for check in predicates.checks(picture, row.name, condition)
        ]
    if chain.outside:
        lines.append(f"the cause is {chain.outside}, not the component")
    lines += _done_lines(picture, row)
    if not row.well or row.next_action_at is not None:
        lines.append(f"next: {next_step(picture, row)}")
    return lines


def _done_lines(picture: Picture, row: Row) -> list[str]:
    if not row.last_action:
        return []
    time = parse_time(row.last_action.get("time"))
    when = f" at {clock(time)} ({span(picture.now - time)} ago)" if time is not None else ""
    what, reason = row.last_action.get("type", "?"), row.last_action.get("reason", "?")
    attempts = f"; {row.attempts} in this run of trouble" if row.attempts else ""
    rung = f"; rung {row.rung} of the ladder" if row.rung else ""
    return [f"done: {what}{when}, because {reason}{attempts}{rung}"]


def next_step(picture: Picture, row: Row) -> str:
    """What happens next about a component, by whom, and when."""
    suspended = picture.condition("RecoverySuspended")
    if suspended.get("status") == "True":
        return f"nothing is done while recovery is suspended: {suspended.get('message', '')}"
    if row.reason == ComponentReason.RECOVERY_BUDGET_EXHAUSTED:
        at = f" {ahead(row.next_action_at, picture.now)}" if row.next_action_at is not None else ""
        return (
            f"one more attempt{at}, or at once after a change of the spec or "
            f"`kubectl allusesystem retry {row.name}`"
        )
    if row.next_action_at is not None:
        what = row.rung or "the next step of the ladder"
        return f"{what}, not before that: {ahead(row.next_action_at, picture.now)}"
    if row.reason in _KUBELETS:
        return "the kubelet tries again by itself, with its own back-off, which the operator never resets"
    if row.reason == ComponentReason.POD_REFUSED:
        return "the workload's controller tries again by itself once the quota or the policy allows it"
    if row.state in ("Waiting", "Blocked"):
        return "it starts the moment that the condition holds"
    if row.state == "Starting":
        return "nothing: it is starting, within its deadline"
    if row.state == "Recovering":
        return "its new pod becomes ready; if it does not in time, the ladder goes on"
    if row.state == "Failed":
        return "nothing until the spec changes: a Job that failed is not run again"
    if row.state == "Stopped":
        return "it is started again, through its start gate, once the dependency that it stopped for is well"
    if row.state == "Unknown":
        return "nothing is done until the operator sees again"
    return "see `kubectl allusesystem plan`"


def _system_lines(picture: Picture) -> list[str]:
    """What is said of the whole system and bears on every component."""
    lines = []
    if picture.condition("SpecValid").get("status") == "False":
        lines.append(f"The spec is not carried out: {picture.condition('SpecValid').get('message', '')}")
    if picture.holds("Stalled"):
        lines.append(f"The system is stalled: {picture.condition('Stalled').get('message', '')}")
    return lines
