"""The whole command against a program that plays kubectl: what it asks, what it prints, how it ends."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alluse_operator.cli import command, leader
from cli_pictures import condition, live, resource, row, shop
from decided import recorded, seen

#: `get` answers from files: `<kind>.json`, for a name `<kind>-<name>.json`; a watch prints `<kind>.watch`.
KUBECTL = """\
#!{python}
import json, pathlib, sys, time
here = pathlib.Path({here!r})
with (here / "log").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
words = [word for word in sys.argv[1:] if not word.startswith("-")]
if "--namespace=secret" in sys.argv:
    sys.exit('Error from server (Forbidden): allusesystems.alluse.io is forbidden: User "me" may not be listed')
if words[0] == "get":
    if "--watch" in sys.argv:
        print((here / (words[1].split(".")[0] + ".watch")).read_text(), flush=True)
        sys.exit()
    asked = "-".join(word.split(".")[0] for word in words[1:])
    found = here / (asked + ".json")
    if not found.exists():
        sys.exit("Error from server (NotFound): " + asked + " not found")
    print(found.read_text())
elif words[0] == "port-forward":
    print("Forwarding from 127.0.0.1:" + (here / "port").read_text() + " -> 8081", flush=True)
    time.sleep(60)
"""


class Kubectl:
    def __init__(self, here: Path) -> None:
        self.here = here
        self.program = here / "kubectl"
        self.program.write_text(KUBECTL.format(python=sys.executable, here=str(here)))
        self.program.chmod(0o755)
        (here / "log").touch()

    def holds(self, what: str, obj: object) -> None:
        (self.here / f"{what}.json").write_text(json.dumps(obj))

    def shows(self, system: Mapping[str, Any], broken: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        workloads, pods = live(shop(), broken)
        self.holds("allusesystems", {"items": [system]})
        self.holds("allusesystems-demo", system)
        self.holds("deployments", {"items": workloads})
        self.holds("pods", {"items": pods})

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.here / "log").read_text().splitlines()]


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    return Kubectl(tmp_path)


WELL = resource(shop(), [row("store"), row("api"), row("web"), row("mail")], [condition("Ready", "True")], state="Running", ready="4/4")  # fmt: skip
SICK = resource(
    shop(),
    [row("store", "Unhealthy", 92, reason="NotReady", message="hangs"), row("api"), row("web"), row("mail")],
    [condition("Ready", "False", "store is Unhealthy")],
    state="Degraded",
    ready="3/4",
    cause="store Unhealthy",
)


def run(kubectl: Kubectl, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = command.main([arguments[0], "--kubectl", str(kubectl.program), *arguments[1:]])
    out, err = capsys.readouterr()
    return code, out, err


def test_status_finds_the_one_system_and_draws_it(
    kubectl: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.shows(WELL)
    code, out, _ = run(kubectl, capsys, "status", "--context", "c")
    assert (code, out.splitlines()[0]) == (0, "shop/demo: Running, 4/4 ready")
    assert "\x1b" not in out
    assert kubectl.calls[0][:5] == [
        "--context=c",
        "get",
        "allusesystems.alluse.io",
        "--all-namespaces",
        "--output=json",
    ]
    assert kubectl.calls[1][:5] == [
        "--context=c",
        "--namespace=shop",
        "get",
        "allusesystems.alluse.io",
        "demo",
    ]


def test_a_named_system_is_not_looked_for(kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.shows(WELL)
    for arguments in (("status", "demo", "-n", "shop"), ("status", "-n", "shop", "--system", "demo")):
        assert run(kubectl, capsys, *arguments)[0] == 0
    assert not any("--all-namespaces" in call for call in kubectl.calls)


@pytest.mark.parametrize("indent", [None, 4])
def test_following_without_a_terminal_tells_the_changes(
    kubectl: Kubectl, capsys: pytest.CaptureFixture[str], indent: int | None
) -> None:
    kubectl.shows(WELL)
    events = [
        {"type": "ADDED", "object": WELL},
        {"type": "MODIFIED", "object": SICK},
        {"type": "DELETED", "object": SICK},
    ]
    (kubectl.here / "allusesystems.watch").write_text(
        "\n".join(json.dumps(event, indent=indent) for event in events)
    )
    code, out, _ = run(kubectl, capsys, "status", "--watch")
    assert code == 0
    assert "store: Healthy -> Unhealthy: NotReady: hangs" in out
    assert "cause: store Unhealthy" in out
    assert out.splitlines()[-1] == "shop/demo is gone"


def test_why_reads_what_it_needs(kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.shows(SICK, {"store": {"ready": None}})
    code, out, _ = run(kubectl, capsys, "why", "store")
    assert code == 0
    assert "NO   enough pods of that revision are ready: 0 of 1 ready" in " ".join(out.split("\n")).replace(
        "  ", "  "
    )


def test_retry_writes_the_annotation_and_nothing_else(
    kubectl: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.shows(SICK)
    code, out, _ = run(kubectl, capsys, "retry", "store")
    assert code == 0
    assert "begins with a clean record" in out
    (written,) = (call for call in kubectl.calls if "get" not in call)
    assert written[:5] == ["--namespace=shop", "annotate", "--overwrite", "allusesystems.alluse.io", "demo"]
    assert written[5].startswith("alluse.io/retry=store 20")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("why", "nobody"), 2, "demo has no component nobody"),
        (("retry", "nobody"), 2, "It has: store, api, web, mail"),
        (("status", "other", "-n", "shop"), 2, "allusesystems-other not found"),
        (("status", "a", "--system", "b"), 2, "two systems are named: a and b"),
        (("drill", "store", "--fault", "hang"), 2, "not one of the built-in components"),
        (("plan", "--operator-namespace", "nowhere"), 2, "there is no operator in namespace nowhere"),
        (("replay", "not-there.json"), 2, "not-there.json: it cannot be read: No such file"),
        (("status", "-n", "secret"), 2, "Name the system with --namespace and --system"),
        (("status", "--kubectl", "no-such-program"), 2, "Install kubectl, name it with --kubectl"),
    ],
)
def test_what_goes_wrong_says_what_to_do(
    kubectl: Kubectl, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, says: str
) -> None:
    kubectl.shows(WELL)
    kubectl.holds("leases", {"items": []})
    if arguments[0] == "plan":
        kubectl.holds("pods", {"items": []})
    got, _, err = run(kubectl, capsys, *arguments)
    assert got == code
    assert says in " ".join(err.split())


@pytest.fixture
def operator(kubectl: Kubectl) -> Iterator[list[str]]:
    """The operator's loopback endpoint behind the forwarded port; the paths that it was asked."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            told = {"id": 7, "time": "2026-01-05T09:00:00+00:00", "why": ["cause", "RestartPod of store"]}
            answers = {
                "/plan?system=shop/demo": {"system": "shop/demo", "actions": []},
                "/journal?system=shop/demo": {"records": [told]},
                "/journal/7": {**told, "given": {}},
            }
            known = self.path in answers
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path, {"detail": "no such system"})).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    (kubectl.here / "port").write_text(str(server.server_port))
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_plan_asks_the_pod_that_leads(
    kubectl: Kubectl, operator: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.shows(WELL)
    kubectl.holds("pods", {"items": [{"metadata": {"name": name}} for name in ("op-1", "op-2")]})
    kubectl.holds("leases", {"items": [{"spec": {"holderIdentity": "op-2_abcd"}}]})
    code, out, _ = run(kubectl, capsys, "plan")
    assert (code, operator) == (0, ["/plan?system=shop/demo"])
    assert "nothing: everything is as it should be" in out
    forward = kubectl.calls[-1]
    assert forward[0] == f"--namespace={leader.DEFAULT_NAMESPACE}"
    assert forward[-2:] == ["pod/op-2", ":8081"]
    assert json.loads(run(kubectl, capsys, "plan", "--json")[1])["actions"] == []


def test_the_journal_in_short_and_one_decision_whole(
    kubectl: Kubectl, operator: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.shows(WELL)
    kubectl.holds("pods", {"items": [{"metadata": {"name": "op-1"}}]})
    kubectl.holds("leases", {"items": [{"spec": {"holderIdentity": "op-1_abcd"}}]})
    code, out, _ = run(kubectl, capsys, "journal")
    assert code == 0
    assert out.startswith("7  09:00:00Z (")
    assert out.endswith("ago)  cause; RestartPod of store\n")
    assert json.loads(run(kubectl, capsys, "journal", "7")[1])["given"] == {}
    code, _, err = run(kubectl, capsys, "journal", "8")
    assert code == 2
    assert "keeps no decision 8. It keeps the latest" in " ".join(err.split())


def test_a_decision_is_made_again_from_the_journal_or_from_a_file(
    kubectl: Kubectl, operator: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kubectl.shows(WELL)
    kubectl.holds("pods", {"items": [{"metadata": {"name": "op-1"}}]})
    kubectl.holds("leases", {"items": [{"spec": {"holderIdentity": "op-1_abcd"}}]})
    code, _, err = run(kubectl, capsys, "replay", "7")
    assert (code, operator) == (2, ["/journal/7"])
    assert "7: it is not a record of a decision" in " ".join(err.split())
    kept = recorded(seen(failures=3))
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(kept))
    asked = len(kubectl.calls)
    code, out, _ = run(kubectl, capsys, "replay", str(path))
    assert (code, out) == (0, f"Same: {kept['digest']}, decided {kept['time']} for shop/demo\n")
    assert run(kubectl, capsys, "replay", str(path), "--later", "0.5")[1].startswith("{")
    path.write_text(json.dumps({**kept, "digest": "another"}))
    code, out, _ = run(kubectl, capsys, "replay", str(path))
    assert (code, out.split(":")[0]) == (1, "Different")
    path.write_text(json.dumps({name: value for name, value in kept.items() if name != "digest"}))
    assert run(kubectl, capsys, "replay", str(path))[0] == 2
    assert len(kubectl.calls) == asked, "a file needs no cluster"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("drill web --fault nonsense", "choose from 'crash', 'exit', 'hang', 'wrong-answer'"),
        ("drill web", "required: --fault"),
        ("drill web --fault hang --seconds -3", "'-3' is not a whole number of seconds from 1 to 3600"),
        ("drill web --fault hang --timeout 1e9", "'1e9' is not a whole number of seconds"),
        ("replay 7 --later -1", "'-1' is not a number of seconds from 0 to"),
        ("replay 7 --later inf", "'inf' is not a number of seconds"),
        ("replay 7 --later nan", "'nan' is not a number of seconds"),
        ("why", "required: COMPONENT"),
        ("nonsense", "choose from"),
        ("", "required: COMMAND"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments.split())
    assert stopped.value.code == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["status", "why", "plan", "journal", "replay", "retry", "drill"])
def test_the_help_of_each_command_teaches_with_an_example_that_is_right(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main([name, "--help"])
    text = capsys.readouterr().out
    shown = [line.split("  ")[1] for line in text.splitlines() if line.startswith("  kubectl allusesystem ")]
    assert len(shown) >= 2
    for line in shown:
        words = line.partition("|")[0].partition(">")[0].split()[2:]
        command._parser().parse_args(words)


def test_plan_says_when_nobody_leads_or_the_operator_refuses(
    kubectl: Kubectl, operator: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.shows(WELL)
    kubectl.holds("pods", {"items": [{"metadata": {"name": "op-1"}}]})
    kubectl.holds("leases", {"items": [{"spec": {}}]})
    assert "none of the operator's 1 pods" in run(kubectl, capsys, "plan")[2]
    kubectl.holds("leases", {"items": [{"spec": {"holderIdentity": "op-1"}}]})
    kubectl.holds("allusesystems", {"items": [{"metadata": {"name": "other", "namespace": "shop"}}]})
    code, _, err = run(kubectl, capsys, "plan")
    assert code == 2
    assert "answers 404: no such system" in " ".join(err.split())


def test_help_teaches_all_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (
            "--help",
            (
                "status",
                "why",
                "plan",
                "retry",
                "drill",
                "chat",
                "run",
                "kubectl allusesystem why enhanced-agent",
            ),
        ),
        ("status --help", ("--watch", "-n NAME", "--system")),
        ("drill --help", ("wrong-answer", "out-of-memory", "--json", "environment is `test`")),
        ("chat --help", ("/performance",)),
        ("run --help", ("usage: kubectl allusesystem run",)),
    ):
        with pytest.raises(SystemExit) as stopped:
            command.main(arguments.split())
        assert stopped.value.code == 0
        out = " ".join(capsys.readouterr().out.split())
        for word in words:
            assert word in out
