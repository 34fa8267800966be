"""The command `kubectl allusesystem`: its arguments and what they lead to.

Exit codes: 0 all is well; 1 a drill or a step failed, a decision is made in another way today, or a component
answered with an error; 2 wrong use, or no way to the system; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from alluse.client import command as client
from alluse.client.chat import show_error
from alluse.client.errors import AnsweredError, ClientError, UsageError
from alluse.client.forwarding import Place, find_system
from alluse.client.screen import Screen
from alluse_operator import replay
from alluse_operator.cli import drill, leader, live, retry, safety, tree
from alluse_operator.cli.explain import why
from alluse_operator.cli.faults import FAULTS
from alluse_operator.cli.forecast import decisions, forecast
from alluse_operator.cli.picture import Picture, read
from alluse_operator.cli.transport import Cluster
from alluse_operator.core.objects import Object

PROGRAM: Final = "kubectl allusesystem"
RESOURCE: Final = "allusesystems.alluse.io"
_MOST_SECONDS: Final = 3600
WORKLOADS: Final = "deployments.apps,statefulsets.apps,jobs.batch"

_ABOUT = """\
See what an AllUseSystem does and why, and talk to the ALL-USE agent.

The system is found by itself when there is only one: in the namespace given with -n, else in the cluster of
your present context. Your kubectl is the only way to the cluster that is used."""

_EXAMPLES = """\
examples:
  kubectl allusesystem status                      the components as a tree, with states, times and the cause
  kubectl allusesystem status --watch              ... and follow it
  kubectl allusesystem why enhanced-agent          from this component to the root of its trouble
  kubectl allusesystem plan                        what the operator would do now, and what it waits for
  kubectl allusesystem journal                     what it has decided, newest first
  kubectl allusesystem replay 17                   make decision 17 again, from all that it stood on
  kubectl allusesystem retry position-sizer        begin anew where the operator has given up for a while
  kubectl allusesystem drill delta-selector --fault hang
                                                   break it (environment test only) and measure the recovery
  kubectl allusesystem status -n shop              with several systems: the one in this namespace
  kubectl allusesystem why web --system shop-b     ... or this one of several in it
  kubectl allusesystem chat                        talk to the agent
  kubectl allusesystem run all                     the agent's four workflows, step by step

`kubectl allusesystem COMMAND --help` says more about each.

exit codes:
  0    all is well
  1    a drill or a step failed, a decision is made in another way today, or a component answered with an
       error
  2    wrong use, or no way to the system: what is wrong is said, and what to do
  130  stopped by Ctrl-C"""

_STATUS = """\
The components of a system as a tree: each stands under the last of its dependencies to start. A line shows
its state, for how long, and, when it is not well, because of whom, why, and what comes next and when.

With --watch it follows the system until Ctrl-C: redrawn on a terminal, one line a change elsewhere.

examples:
  kubectl allusesystem status                      of the only system that there is
  kubectl allusesystem status shop -n trading      of this one
  kubectl allusesystem status --watch | tee log    each change as a line"""

_WHY = """\
The chain from a component to the root of its trouble. For each step: the state with its time, what it needs
of the next one, and the part of that condition that is false. For the root: every part of its own condition
with what was found, what has been done about it, and what comes next, by whom and when.

examples:
  kubectl allusesystem why enhanced-agent
  kubectl allusesystem why web -n shop --system shop-b"""

_PLAN = """\
Asks the operator that leads, through a port of its pod that only those may reach who may forward ports to it.
It answers from the same rules by which it acts, and writes nothing.

examples:
  kubectl allusesystem plan                        what it would do in this moment, and what comes later, when
  kubectl allusesystem plan --json | jq .later     the same for programs
  kubectl allusesystem plan --operator-namespace ops"""

_JOURNAL = """\
The operator's latest decisions about the system: recovery, changed causes, whatever is not routine. With an
ID, the whole record with all that the decision stood on, as JSON.

examples:
  kubectl allusesystem journal                     one line a decision, newest first
  kubectl allusesystem journal 17 > decision.json  one of them, to be kept
  kubectl allusesystem replay decision.json        ... and made again"""

_REPLAY = """\
Makes a decision again, on a clock that shows its time: of the operator's journal by its ID, or of a file with
what `journal ID` printed (- is standard input). The planner asks nobody and reads no clock, so the same input
leads to the same plan: exit code 0. Another plan (another version, or an edited record, which is how to ask
"what if") is printed as a difference: exit code 1.

examples:
  kubectl allusesystem replay 17
  kubectl allusesystem replay decision.json        needs no cluster
  kubectl allusesystem replay 17 --later 60        what would be decided a minute later, if nothing changed"""

_RETRY = """\
Begins anew with a component whose recovery is exhausted, or with all: earlier attempts do not count any more,
and the ladder begins at its first rung. It never skips a back-off of the kubelet.

examples:
  kubectl allusesystem retry position-sizer        with this one
  kubectl allusesystem retry                       with all"""

_DRILL = """\
Breaks a component on purpose and measures when the operator notices and when it is back, from the system's
status and the pods' conditions. It refuses unless the environment is `test` (or the component has
ALLUSE_FAULTS=enabled), the system is Ready, and nothing is under recovery. It passes when the fault was
noticed, the component came back, no other component was acted on, and none was restarted for being slow or
degraded.

examples:
  kubectl allusesystem drill delta-selector --fault hang
  kubectl allusesystem drill position-sizer --fault slow --seconds 60 --timeout 120
  kubectl allusesystem drill market-analyzer --fault crash --json

faults:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["chat"], ["run"]):
        return client.main(given, PROGRAM)
    parsed = _parser().parse_args(given)
    try:
        if parsed.command == "replay" and not parsed.record.isdecimal():
            return _made_again(replay.read(parsed.record), parsed.later, Screen())
        carry_out: Callable[[Cluster, argparse.Namespace, Screen], int] = parsed.carry_out
        return carry_out(_cluster(parsed), parsed, Screen())
    except replay.UnreadableRecordError as error:
        remedy = "A record is what `kubectl allusesystem journal ID` prints: give its ID, or a file with it."
        show_error(UsageError(f"{parsed.record}: {error}", remedy), Screen(sys.stderr))
        return 2
    except ClientError as error:
        show_error(error, Screen(sys.stderr))
        return 1 if isinstance(error, AnsweredError) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`); the interpreter must not complain at its end either.
        sys.stdout = None
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = _add(commands, "status", "the components as a live tree, with the cause of trouble", _STATUS)
    status.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="the system (default: the only one)"
    )
    status.add_argument("-w", "--watch", action="store_true", help="follow it until Ctrl-C")
    status.set_defaults(carry_out=_status)
    explain = _add(commands, "why", "the chain from a component to the root of its trouble", _WHY)
    explain.add_argument("component", metavar="COMPONENT", help="for example enhanced-agent")
    explain.set_defaults(carry_out=_why)
    plan = _add(commands, "plan", "what the operator would do next, and when", _PLAN)
    plan.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="the system (default: the only one)"
    )
    plan.add_argument("--json", action="store_true", help="the operator's answer as it is")
    plan.set_defaults(carry_out=_plan)
    kept = _add(commands, "journal", "what the operator has decided, and on what it stands", _JOURNAL)
    kept.add_argument("id", nargs="?", default="", metavar="ID", help="one decision, whole, as JSON")
    kept.set_defaults(carry_out=_journal)
    again = _add(commands, "replay", "make a decision of the journal again", _REPLAY)
    again.add_argument("record", metavar="ID|FILE", help="a decision of the journal, or a file with one")
    again.add_argument(
        "--later", type=_later, metavar="S", help="show in outline what would be decided so much later"
    )
    again.set_defaults(carry_out=_replay)
    for asking in (plan, kept, again):
        asking.add_argument(
            "--operator-namespace", default=leader.DEFAULT_NAMESPACE, metavar="NAME",
            help=f"where the operator is installed (default: {leader.DEFAULT_NAMESPACE})",
        )  # fmt: skip
    anew = _add(commands, "retry", "begin anew where recovery has been given up for a while", _RETRY)
    anew.add_argument(
        "component", nargs="?", default=retry.ALL, metavar="COMPONENT", help="default: every component"
    )
    anew.set_defaults(carry_out=_retry)
    faults = "\n".join(f"  {fault.name:14} {fault.about}" for fault in FAULTS.values())
    breaking = _add(
        commands, "drill", "break a component and measure the recovery (test only)", _DRILL + faults
    )
    breaking.add_argument("component", metavar="COMPONENT", help="a built-in one, for example delta-selector")
    breaking.add_argument("--fault", required=True, choices=[*FAULTS], metavar="FAULT", help="see above")
    breaking.add_argument("--seconds", type=_seconds, metavar="S", help="how long the fault lasts at most")
    breaking.add_argument("--timeout", type=_seconds, default=180, metavar="S", help="until it is back (180)")
    breaking.add_argument("--json", action="store_true", help="the result for programs")
    breaking.set_defaults(carry_out=_drill)
    for name, about in (("chat", "talk to the agent"), ("run", "run a workflow of the agent, step by step")):
        # Their arguments are the client's: see `main`.
        commands.add_parser(name, help=about, add_help=False)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=about, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_argument_group("where the system is")
    where.add_argument(
        "-n", "--namespace", default="", metavar="NAME", help="of the system (default: looked up)"
    )
    where.add_argument("--system", default="", metavar="NAME", help="when the namespace has several")
    where.add_argument(
        "--context", default="", metavar="NAME", help="of the kubeconfig (default: the present)"
    )
    where.add_argument("--kubeconfig", default="", metavar="FILE", help="default: as for kubectl")
    where.add_argument("--kubectl", default="kubectl", metavar="PROGRAM", help="default: the one on the PATH")
    return parser


def _seconds(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of seconds from 1 to {_MOST_SECONDS}"
        )
    return value


def _later(text: str) -> timedelta:
    try:
        return replay.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _cluster(parsed: argparse.Namespace) -> Cluster:
    """kubectl on the one system that is meant. Raises ClientError."""
    named = getattr(parsed, "name", "")
    if named and parsed.system and named != parsed.system:
        raise UsageError(f"two systems are named: {named} and {parsed.system}", "Name one.")
    place = Place(parsed.context, parsed.kubeconfig, parsed.namespace, named or parsed.system, parsed.kubectl)
    return Cluster(place if place.namespace and place.system else find_system(place))


def _now() -> datetime:
    return datetime.now(UTC)


def _look(cluster: Cluster, *, pods: bool) -> Picture:
    """The system as it is; with its pods and workloads where they are needed. Raises ClientError."""
    resource = cluster.get(RESOURCE, cluster.place.system)
    if not pods:
        return read(resource, _now())
    # Somebody else's workloads (ObserveOnly) bear no label of ours: all of the namespace are read.
    return read(resource, _now(), cluster.items(WORKLOADS), cluster.items("pods"))


def _status(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    if parsed.watch:
        return live.follow(cluster, RESOURCE, screen, _now)
    for line in tree.status(_look(cluster, pods=False), *live.frame(screen)):
        screen.say(line.text, line.style)
    return 0


def _why(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    picture = _look(cluster, pods=True)
    _known(picture, parsed.component)
    _tell(screen, why(picture, parsed.component))
    return 0


def _plan(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    answer = leader.plan(cluster, parsed.operator_namespace)
    if parsed.json:
        screen.say(json.dumps(answer, indent=2))
        return 0
    _tell(screen, forecast(answer, _now()))
    return 0


def _journal(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    if parsed.id:
        screen.say(json.dumps(leader.decision(cluster, parsed.operator_namespace, parsed.id), indent=2))
        return 0
    _tell(screen, decisions(leader.decisions(cluster, parsed.operator_namespace), _now()))
    return 0


def _replay(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    record = leader.decision(cluster, parsed.operator_namespace, parsed.record)
    return _made_again(record, parsed.later, screen)


def _made_again(record: Object, later: timedelta | None, screen: Screen) -> int:
    same, lines = replay.say(record, later)
    for line in lines:
        screen.say(line)
    return 0 if same else 1


def _retry(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    picture = _look(cluster, pods=False)
    if parsed.component != retry.ALL:
        _known(picture, parsed.component)
    wanted = retry.annotation(picture, parsed.component)
    cluster.change("annotate", "--overwrite", RESOURCE, picture.name, wanted)
    _tell(screen, retry.said(picture, parsed.component))
    return 0


def _drill(cluster: Cluster, parsed: argparse.Namespace, screen: Screen) -> int:
    picture = _look(cluster, pods=True)
    fault = FAULTS[parsed.fault]
    pod = safety.ready_pod(cluster.items("pods"), picture.name, parsed.component)
    refused = safety.refusal(picture, parsed.component, pod)
    if refused is not None or pod is None:
        raise UsageError(*(refused or ("there is no pod to break", "")))
    progress = Screen(sys.stderr) if parsed.json else screen
    done = drill.run(
        cluster, picture, pod, fault, parsed.seconds or fault.seconds, parsed.timeout, progress.say
    )
    if parsed.json:
        screen.say(json.dumps(done.to_json(), indent=2))
    else:
        for line in drill.report(done):
            screen.say(line)
    return 0 if done.passed else 1


def _tell(screen: Screen, lines: Sequence[str]) -> None:
    """Wrapped on a terminal, one line each elsewhere, for programs that look for words."""
    for line in lines:
        if screen.out.isatty():
            screen.prose(line)
        else:
            screen.say(line)


def _known(picture: Picture, component: str) -> None:
    """Raises UsageError when the system has no such component."""
    known = [*picture.rows, *(picture.system.components if picture.system is not None else ())]
    if component not in known:
        names = ", ".join(dict.fromkeys(known)) or "none that the operator has spoken of"
        raise UsageError(f"{picture.name} has no component {component}", f"It has: {names}")


if __name__ == "__main__":
    sys.exit(main())
