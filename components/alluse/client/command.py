"""The command `alluse` (`kubectl allusesystem chat` and `run`, too): its arguments and what they lead to.

Exit codes: 0 all is well, 1 a step failed or a component answered with an error, 2 wrong use or no way to
the system, 130 stopped by Ctrl-C.
"""

import argparse
import getpass
import re
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from uuid import uuid4

from alluse.client import chat, workflows
from alluse.client.calls import System
from alluse.client.chat import AGENT, Conversation
from alluse.client.errors import AnsweredError, ClientError, UsageError
from alluse.client.forwarding import Forwards, Given, Place, Ways, parse_urls
from alluse.client.screen import Screen, milliseconds
from alluse.client.workflows import WORKFLOWS, Run, Workflow

_ABOUT = """\
Talk to an ALL-USE system and run its workflows.

The system is found with kubectl: if there is exactly one AllUseSystem in the cluster of your present
context, nothing need be said about it. Every figure comes from a simulation; nothing is ever traded."""

_EXAMPLES = """\
examples:
  alluse chat                                  talk to the agent
  alluse chat "What should I trade this week?" one question
  echo "What is a delta?" | alluse chat        questions from a pipe, one a line
  alluse run onboarding                        a new user opens accounts, step by step
  alluse run all                               all four workflows
  alluse chat --namespace alluse --system demo when there are several systems
  alluse chat --url http://127.0.0.1:8080      without kubectl, to an agent at this address
"""


def main(arguments: Sequence[str] | None = None, program: str = "alluse") -> int:
    """Run the command and return its exit code. `program` is what people typed, for help to show."""
    screen = Screen()
    parsed = _parser(program).parse_args(arguments)
    try:
        with closing(System(_ways(parsed), parsed.timeout)) as system:
            if parsed.command == "chat":
                return _chat(system, parsed, screen)
            return _run(system, parsed, screen)
    except ClientError as error:
        chat.show_error(error, Screen(sys.stderr))
        return 1 if isinstance(error, AnsweredError) else 2
    except KeyboardInterrupt:
        return 130


def _parser(program: str) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=program,
        description=_ABOUT,
        epilog=_EXAMPLES.replace("alluse ", f"{program} "),
        formatter_class=raw,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    talk = commands.add_parser(
        "chat",
        help="talk to the agent",
        description=f"Talk to the agent. Inside the conversation:\n\n{chat.HELP}",
        formatter_class=raw,
    )
    talk.add_argument("message", nargs="*", help="ask this and leave; without it, a conversation")
    run = commands.add_parser(
        "run",
        help="run a workflow and see each step with its time",
        description=workflows.__doc__,
        formatter_class=raw,
    )
    run.add_argument("workflow", choices=[*WORKFLOWS, "all"], help="which one")
    for command in (talk, run):
        _add_common(command)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="ID", help="whose conversation and accounts (default: see below)")
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="S", help="for each answer (60)")
    where = parser.add_argument_group("where the system is")
    where.add_argument(
        "--context", default="", metavar="NAME", help="of the kubeconfig (default: the present)"
    )
    where.add_argument("--kubeconfig", default="", metavar="FILE", help="default: as for kubectl")
    where.add_argument(
        "-n", "--namespace", default="", metavar="NAME", help="of the system (default: looked up)"
    )
    where.add_argument(
        "--system", default="", metavar="NAME", help="of the AllUseSystem (default: looked up)"
    )
    where.add_argument("--kubectl", default="kubectl", metavar="PROGRAM", help="default: the one on the PATH")
    where.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="[COMPONENT=]URL",
        help="address of the agent or of a component, instead of kubectl; may be repeated",
    )
    parser.epilog = (
        "Without --user a conversation is that of the name you are logged in with; "
        "a workflow is that of a new user each time."
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError
    return value


def _ways(parsed: argparse.Namespace) -> Ways:
    if parsed.url:
        return Given(parse_urls(parsed.url, AGENT))
    return Forwards(Place(parsed.context, parsed.kubeconfig, parsed.namespace, parsed.system, parsed.kubectl))


def user_id(text: str) -> str:
    """A name as the system takes it: at most 64 letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:64]


def _chat(system: System, parsed: argparse.Namespace, screen: Screen) -> int:
    wanted = parsed.user if parsed.user is not None else _login()
    user = user_id(wanted)
    if not user or (parsed.user is not None and user != parsed.user):
        raise UsageError(
            f"{wanted!r} cannot be a user's id", "Take 1 to 64 letters, digits, _ or -, with --user."
        )
    conversation = Conversation(system, screen, user)
    system.connect(AGENT)
    if parsed.message:
        conversation.turn(" ".join(parsed.message))
        return 0
    interactive = sys.stdin.isatty()
    if not interactive:
        return chat.converse(conversation, chat.reader(False), greet=False)
    with chat.line_editing(chat.history_file()):
        return chat.converse(conversation, chat.reader(True), greet=True)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "guest"


def _run(system: System, parsed: argparse.Namespace, screen: Screen) -> int:
    chosen = list(WORKFLOWS.values()) if parsed.workflow == "all" else [WORKFLOWS[parsed.workflow]]
    passed = True
    for workflow in chosen:
        user = parsed.user or f"run-{uuid4().hex[:12]}"
        # The way to the components is not part of what the system takes for its work.
        for component in workflow.components:
            system.connect(component)
        passed = show(workflow, Run(system, user), screen) and passed
    return 0 if passed else 1


def show(workflow: Workflow, run: Run, screen: Screen) -> bool:
    """Run a workflow, printing each step as it ends; whether all met their requirement in time."""
    screen.say(f"{workflow.title} ({workflow.name}, within {workflow.limit_s:g} s)", "bold")
    failed, started = 0, time.perf_counter()
    for outcome in workflows.run_steps(workflow, run):
        mark, style = ("ok    ", "good") if outcome.passed else ("FAILED", "bad")
        screen.say(
            f"{screen.styled(mark, style)} {outcome.number}. {outcome.title}  "
            f"[{milliseconds(outcome.seconds)}]"
        )
        screen.facts(outcome.facts)
        if not outcome.passed:
            failed += 1
            screen.prose(outcome.problem, "    ", "bad")
            if outcome.remedy:
                screen.prose(outcome.remedy, "    ")
    seconds = time.perf_counter() - started
    late = seconds > workflow.limit_s
    count = len(workflow.steps)
    summary = f"{count - failed} of {count} steps met their requirement in {milliseconds(seconds)}"
    if late:
        summary += f"; more than the {workflow.limit_s:g} s allowed"
    screen.say(summary, "bad" if failed or late else "good")
    screen.say()
    return not failed and not late


if __name__ == "__main__":
    sys.exit(main())
