"""The container engine: the one that answers, or one that we start and later remove without a trace.

An engine of ours has its own data, socket and configuration, so it never meets one that the machine's
owner installs later. It has no default bridge: builds need no network, and kind makes a network of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tools.cluster import cache, debian, machine, networks, paths
from tools.cluster.machine import alive
from tools.cluster.steps import Step

#: Short, because sockets below it have a length limit; gone after a reboot, as the engine is.
RUN = Path("/run/alluse-engine")
_SOCKET = RUN / "docker.sock"
_PID = RUN / "docker.pid"
_PACKAGES = ("docker.io", "iptables")
_RUNTIME = Path(__file__).with_name("files") / "runc-without-sys-resource"
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and how to reach it."""

    ours: bool
    reason: str
    environment: dict[str, str] = field(default_factory=dict)

    def docker(self, step: Step, *arguments: str | Path, **options: object) -> str:
        """Run the docker client, and return what it printed."""
        return step.run(["docker", *arguments], env=self.environment, **options).stdout  # type: ignore[arg-type]

    def has_image(self, step: Step, name: str) -> bool:
        """Whether the engine has an image."""
        command = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
        return step.run(command, env=self.environment, check=False).returncode == 0


def _environment() -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{_SOCKET}"}


def state_directory() -> Path:
    """Where an engine of ours keeps its images and containers."""
    return paths.state_root() / "engine"


def our_pid() -> int | None:
    """The process of our engine, if it runs."""
    try:
        pid = int(_PID.read_text())
    except (OSError, ValueError):
        return None
    return pid if alive(pid) and "dockerd" in Path(f"/proc/{pid}/comm").read_text() else None


def _answers(step: Step, environment: dict[str, str], seconds: float = 15) -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    step.write(f"docker info: {done.stdout}{done.stderr}")
    return done.returncode == 0 and bool(done.stdout.strip())


def find(step: Step) -> Engine | None:
    """An engine that answers: ours if we have started one, else the machine's own."""
    if our_pid() is not None and _answers(step, _environment()):
        return Engine(True, "the engine that we started answers", _environment())
    if _answers(step, {}):
        return Engine(False, "this machine's own engine answers")
    return None


def ensure(step: Step) -> Engine:
    """An engine that answers; where none does, it is installed and started."""
    found = find(step)
    if found is None:
        with cache.lock("engine", step.waiting):
            found = find(step) or _start(step)
    step.note(found.reason)
    return found


def _start(step: Step) -> Engine:
    remedy = "Start Docker (any engine that `docker info` reaches will do), or run as root on Debian."
    if os.geteuid() != 0:
        raise step.fail("no container engine answers, and only root may start one", remedy)
    if shutil.which("dockerd") is None or shutil.which("iptables") is None:
        if not debian.is_debian():
            raise step.fail("no container engine answers, and this is no Debian", remedy)
        debian.install(step, _PACKAGES)
    state = state_directory()
    state.mkdir(parents=True, exist_ok=True)
    RUN.mkdir(parents=True, exist_ok=True)
    _PID.unlink(missing_ok=True)
    # Docker closes the FORWARD chain if it is the one that switches forwarding on.
    if _IP_FORWARD.read_text().strip() == "0":
        (state / "ip-forward-was-off").touch()
        _IP_FORWARD.write_text("1\n")
    command = [
        "dockerd",
        f"--config-file={state}/daemon.json",
        f"--data-root={state}/data",
        f"--exec-root={RUN}/exec",
        f"--pidfile={_PID}",
        f"--host=unix://{_SOCKET}",
        "--bridge=none",
    ]
    if machine.lacks_sys_resource():
        runtime = state / "runc-without-sys-resource"
        shutil.copy(_RUNTIME, runtime)
        command += [f"--add-runtime=without-sys-resource={runtime}", "--default-runtime=without-sys-resource"]
        step.note("this machine lacks CAP_SYS_RESOURCE: privileged containers go without it")
    (state / "daemon.json").write_text(json.dumps({}))
    log_path = state / "dockerd.log"
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(step, _environment()):
        if process.poll() is not None or time.monotonic() > deadline:
            step.write(log_path.read_text(errors="replace")[-4000:])
            raise step.fail(f"dockerd did not start; its log is {log_path}", remedy)
        time.sleep(0.1)
    return Engine(True, "no engine answered, so we started one", _environment())


def _remove_cgroups() -> None:
    """Remove the empty groups of containers that are gone."""
    root = Path("/sys/fs/cgroup")
    for hierarchy in [root, *root.iterdir()] if root.exists() else []:
        top = hierarchy / "docker"
        if top.is_dir():
            for directory, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # not empty: not ours to remove
                    os.rmdir(directory)


def _unmount_below(directory: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def remove(step: Step) -> bool:
    """Stop our engine and remove all that it made, whatever state it is in. False if there is none."""
    state = state_directory()
    if our_pid() is None and not state.exists() and not RUN.exists():
        return False
    pid = our_pid()
    left = networks.Networks()
    if pid is not None:
        if _answers(step, _environment()):
            environment = _environment()
            left = networks.of_engine(step, environment)
            listed = step.run(["docker", "ps", "-aq"], env=environment, check=False).stdout.split()
            if listed:
                step.run(["docker", "rm", "-f", "-v", *listed], env=environment, check=False)
            # Removing its networks removes their bridges.
            step.run(["docker", "network", "prune", "-f"], env=environment, check=False)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while alive(pid):
            if time.monotonic() > deadline:
                raise step.fail(f"dockerd (process {pid}) did not stop", f"Stop it with: kill {pid}")
            time.sleep(0.1)
    networks.remove_leftovers(step, left)
    _remove_cgroups()
    _unmount_below(RUN)
    _unmount_below(state)
    if (state / "ip-forward-was-off").exists():
        _IP_FORWARD.write_text("0\n")
    cache.remove_tree(state)
    cache.remove_tree(RUN)
    return True
