"""The client: conversations, workflows against real components, errors, and the way through kubectl."""

import asyncio
import io
import json
import os
import re
import readline
import stat
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from alluse.client import chat, command, workflows
from alluse.client.errors import ClientError, ConnectError, UsageError
from alluse.client.forwarding import Forwards, Place, parse_urls
from alluse.services import (
    alert_manager,
    delta_selector,
    drawdown_protection,
    health_monitor,
    market_analyzer,
    performance_optimizer,
    portfolio_risk_monitor,
    position_sizer,
)
from client_bridge import Agent, Door, good_agent, through
from inprocess import System, component

SERVICES = {
    module.SERVICE.name: module.SERVICE
    for module in (
        alert_manager,
        delta_selector,
        drawdown_protection,
        health_monitor,
        market_analyzer,
        performance_optimizer,
        portfolio_risk_monitor,
        position_sizer,
    )
}


@pytest.fixture
def agent() -> Agent:
    return good_agent()


@pytest.fixture
def door(agent: Agent) -> Iterator[Door]:
    opened = Door(agent.answer)
    yield opened
    opened.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = command.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


# -- chat --------------------------------------------------------------------------------------------


def test_one_question(agent: Agent, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    agent.degraded = ("portfolio-optimizer",)
    code, out, _ = run(capsys, "chat", "--url", door.url, "--user", "me", "What", "about", "SPY?")
    assert code == 0
    assert "SPY: sell a put of delta 0.40." in out
    assert "without portfolio-optimizer" in out
    assert "simulation, not investment advice" in out
    assert [(turn.user_id, turn.message) for turn in agent.turns] == [("me", "What about SPY?")]


def test_a_conversation_from_a_pipe(
    agent: Agent, door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "Hello, new to ALL-USE\n\n/status\n/why\n/nonsense\n/new\nSPY?\n/help\n/quit\nnever sent\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    code, out, _ = run(capsys, "chat", "--url", door.url, "--user", "me")
    assert code == 0
    assert "Welcome." in out
    assert "total_balance: 50000.0" in out
    assert "decision.rationale: played" in out
    assert "There is no command /nonsense" in out
    assert "/performance" in out
    assert [turn.message for turn in agent.turns] == ["Hello, new to ALL-USE", "SPY?"]
    assert agent.turns[0].session_id != agent.turns[1].session_id
    assert agent.resets == 1


def test_a_turn_that_fails_is_explained_and_the_conversation_goes_on(
    agent: Agent, door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.failures = [503]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"one\n{'x' * 2001}\ntwo\n"))
    code, out, _ = run(capsys, "chat", "--url", door.url, "--user", "me")
    assert code == 1
    assert "enhanced-agent answers 503: memory-manager is away." in out
    assert "try again" in out
    assert "at most 2000 characters" in out
    assert "You said: two" in out


def test_the_history_outlives_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = chat.history_file()
    readline.clear_history()
    with chat.line_editing(path):
        readline.add_history("What should I trade?")
    readline.clear_history()
    assert "What should I trade?" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    with chat.line_editing(path):
        assert readline.get_history_item(readline.get_current_history_length()) == "What should I trade?"
    readline.clear_history()


# -- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("chat", "--url", "127.0.0.1:80", "x"), 2, "Write it as http://HOST:PORT."),
        (("chat", "--url", "nobody=http://h:1", "x"), 2, "there is no component nobody"),
        (("chat", "--url", "http://127.0.0.1:9", "--user", "a b", "x"), 2, "cannot be a user's id"),
        (("chat", "--url", "http://127.0.0.1:9", "x"), 2, "cannot be reached at 127.0.0.1:9"),
        (("run", "trading", "--url", "http://127.0.0.1:9"), 2, "Add --url market-analyzer=http://HOST:PORT"),
        (("chat", "--kubectl", "no-such-kubectl", "x"), 2, "Install kubectl"),
    ],
)
def test_what_goes_wrong_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, _, err = run(capsys, *arguments)
    assert got == code
    assert said in " ".join(err.split())


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ("--help", ("kubectl allusesystem chat", "run onboarding", "nothing is ever traded")),
        ("chat --help", ("/performance", "--namespace", "--url")),
        ("run --help", ("within 5 s", "optimisation", "--timeout")),
    ):
        with pytest.raises(SystemExit) as stopped:
            command.main(arguments.split(), "kubectl allusesystem")
        assert stopped.value.code == 0
        out = " ".join(capsys.readouterr().out.split())
        for word in words:
            assert word in out


def test_addresses() -> None:
    assert parse_urls(
        ["http://a:1", "health-monitor=http://[::1]:2/", "market-analyzer=http://b"], "enhanced-agent"
    ) == {
        "enhanced-agent": ("a", 1),
        "health-monitor": ("::1", 2),
        "market-analyzer": ("b", 8080),
    }


# -- workflows ---------------------------------------------------------------------------------------


def test_onboarding(agent: Agent, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "run", "onboarding", "--url", door.url)
    assert "6 of 6 steps met their requirement" in out
    assert code == 0
    assert out.count(" ms]") == 6
    assert len({(turn.user_id, turn.session_id) for turn in agent.turns}) == 1


def test_a_step_that_misses_its_requirement_fails_the_run(
    agent: Agent, door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.balances = (20_000.0, 15_000.0, 14_999.99)
    agent.replies["this week"] = ("Nothing today.", "recommend_trades")
    agent.replies["track my performance"] = ("Your performance …", "help")
    code, out, _ = run(capsys, "run", "onboarding", "--url", door.url)
    assert code == 1
    assert "the accounts hold 49,999.99 USD, not 50,000.00" in out
    assert "the reply says none of recommend, suggest, trade, option" in " ".join(out.split())
    assert "understood as 'help', not as check_performance" in " ".join(out.split())
    assert "3 of 6 steps" in out


def test_a_slow_run_is_a_failed_one(
    agent: Agent, door: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hasty = workflows.Workflow("onboarding", "x", 1e-9, ("enhanced-agent",), workflows.ONBOARDING.steps)
    monkeypatch.setitem(command.WORKFLOWS, "onboarding", hasty)
    code, out, _ = run(capsys, "run", "onboarding", "--url", door.url)
    assert (code, "more than the 1e-09 s allowed" in out) == (1, True)


@pytest.mark.parametrize("name", ["trading", "risk", "optimisation"])
async def test_workflows_against_real_components(
    tmp_path: Path, door: Door, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = workflows.WORKFLOWS[name]
    # The time limits are those of a quiet machine; here it is the figures that count.
    patient = workflows.Workflow(name, workflow.title, 600.0, workflow.components, workflow.steps)
    monkeypatch.setitem(command.WORKFLOWS, name, patient)
    loop, doors = asyncio.get_running_loop(), []
    arguments = ["run", name, "--url", door.url]
    async with AsyncExitStack() as stack:
        system = System()
        for each in patient.components:
            if each in SERVICES:
                running = await stack.enter_async_context(component(SERVICES[each], tmp_path, system=system))
                doors.append(Door(through(running, loop)))
                arguments += ["--url", f"{each}={doors[-1].url}"]
        try:
            code = await asyncio.to_thread(command.main, arguments)
        finally:
            for opened in doors:
                await asyncio.to_thread(opened.close)
    out = capsys.readouterr().out
    if name == "optimisation":
        # What health-monitor thinks of a system with so many missing depends on how often it has looked.
        assert "ok     4. read the metrics again" in out
        assert ("5 of 5 steps" in out) is (code == 0)
        hits = re.search(r"hits: (\d+) more", out)
        assert hits is not None
        assert int(hits[1]) >= 9
    else:
        assert "FAILED" not in out
        assert code == 0
    if name == "trading":
        assert "week: Green" in out
        assert "delta: 0.50" in out


# -- kubectl -----------------------------------------------------------------------------------------

KUBECTL = """\
#!{python}
import json, os, sys, time
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "get" in sys.argv:
    systems = json.load(open({systems!r}))
    if systems is None:
        sys.exit("error: the server doesn't have a resource type")
    items = [dict(metadata=dict(namespace=n, name=s)) for n, s in systems]
    print(json.dumps(dict(items=items)))
    sys.exit()
port = open({port!r}).read()
if not port:
    sys.exit("error: unable to forward port because pod is not running")
print("Forwarding from 127.0.0.1:" + port + " -> 8080", flush=True)
time.sleep(60)
"""


class Kubectl:
    """A program that plays kubectl."""

    def __init__(self, directory: Path) -> None:
        self.program = directory / "kubectl"
        self.log, self.systems, self.port = (directory / name for name in ("log", "systems", "port"))
        self.log.touch()
        self.systems.write_text('[["ns", "demo"]]')
        self.port.touch()
        text = KUBECTL.format(
            python=sys.executable, log=str(self.log), systems=str(self.systems), port=str(self.port)
        )
        self.program.write_text(text)
        self.program.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path)


def test_the_way_through_kubectl(
    kubectl: Kubectl, agent: Agent, door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.port.write_text(str(door.port))
    code, out, _ = run(
        capsys, "chat", "--kubectl", str(kubectl.program), "--context", "c", "--kubeconfig", "k", "SPY?"
    )
    assert (code, "SPY: sell a put" in out) == (0, True)
    forward = kubectl.calls[-1]
    assert forward[:3] == ["--context=c", "--kubeconfig=k", "--namespace=ns"]
    assert forward[-2:] == ["svc/demo-enhanced-agent", ":8080"]


def test_a_named_system_is_not_looked_for(
    kubectl: Kubectl, door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.port.write_text(str(door.port))
    code, _, _ = run(capsys, "chat", "--kubectl", str(kubectl.program), "-n", "a", "--system", "b", "x")
    assert code == 0
    assert [call for call in kubectl.calls if "get" in call] == []


def test_a_pod_that_is_replaced_between_two_turns(kubectl: Kubectl, agent: Agent, door: Door) -> None:
    from alluse.client.calls import System as Client

    first = Door(agent.answer)
    kubectl.port.write_text(str(first.port))
    client = Client(Forwards(Place(kubectl=str(kubectl.program))), pause_s=0)
    try:
        body = {"user_id": "me", "message": "one"}
        client.post("enhanced-agent", "/v1/chat", body)
        first.close()
        kubectl.port.write_text(str(door.port))
        assert client.post("enhanced-agent", "/v1/chat", {**body, "message": "two"})["turn_id"] == "t2"
    finally:
        client.close()


@pytest.mark.parametrize(
    ("systems", "kind", "said"),
    [
        ("[]", ConnectError, "there is no AllUseSystem in the cluster"),
        ('[["a", "b"], ["c", "d"]]', UsageError, "there are 2 systems"),
        ("null", ConnectError, "doesn't have a resource type"),
        ('[["ns", "demo"]]', ConnectError, "pod is not running"),
    ],
)
def test_no_way_through_kubectl(kubectl: Kubectl, systems: str, kind: type[ClientError], said: str) -> None:
    kubectl.systems.write_text(systems)
    forwards = Forwards(Place(kubectl=str(kubectl.program)))
    with pytest.raises(kind, match=said) as failed:
        forwards.address("enhanced-agent")
    assert failed.value.remedy


def test_leaving_ends_what_was_started(kubectl: Kubectl, door: Door) -> None:
    kubectl.port.write_text(str(door.port))
    forwards = Forwards(Place(kubectl=str(kubectl.program)))
    forwards.address("enhanced-agent")
    [(process, _)] = forwards._running.values()
    forwards.close()
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_what_is_shown_of_an_answer() -> None:
    found: dict[str, Any] = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 3}], "f": None, "g": []}
    assert dict(chat.flattened(found)) == {"a.b": "1", "a.c": "1, 2", "d 1.e": "3"}
