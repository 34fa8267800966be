"""A control plane as plain processes on loopback: the real API server for tests, without nodes.

`ControlPlane.start()` runs etcd and kube-apiserver and is ready in about three seconds. A simulated one
adds the controller manager, the scheduler and kwok, whose nodes are only objects and whose pods are ready
at once: the base for tests of scale and timing. Nothing here needs root, Docker or cgroups.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tools.cluster.ports import free_ports
from tools.cluster.steps import StepError, tail

BARE_BINARIES = ("etcd", "kube-apiserver", "kubectl")
SIMULATED_BINARIES = (*BARE_BINARIES, "kube-controller-manager", "kube-scheduler", "kwok")
_KWOK_STAGES = Path(__file__).with_name("kwok-stages.yaml")
_READY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
#: Defaults meant for clusters that must be gentle; on a throw-away plane they are the bottleneck.
_GENEROUS = ("--kube-api-qps=200", "--kube-api-burst=400")
#: For Go: a plane lives for minutes, and collecting garbage is two fifths of what the API server computes.
_THRIFTY = {"GOGC": "400"}


def kubeconfig_text(server: str, ca_file: Path, token: str) -> str:
    """A kubeconfig (JSON is YAML) for a bearer token."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "control-plane",
            "clusters": [
                {
                    "name": "control-plane",
                    "cluster": {"server": server, "certificate-authority": str(ca_file)},
                }
            ],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "control-plane", "context": {"cluster": "control-plane", "user": "admin"}}],
        },
        indent=1,
    )


def _die_with_parent() -> None:
    """In the child: be killed when the thread that started us ends; a killed test run then leaves nothing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ControlPlane:
    """One throw-away control plane, and the processes that it is made of."""

    def __init__(self, directory: Path, binaries: Mapping[str, Path], *, simulated: bool = False) -> None:
        """Say where it keeps its data, and of which binaries it is made; nothing is started yet."""
        self.directory = directory.resolve()
        self.simulated = simulated
        self.kubeconfig = self.directory / "kubeconfig"
        self.token = secrets.token_hex(16)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._binaries = dict(binaries)
        self._logs: list[BinaryIO] = []
        (
            self._etcd_port,
            self._etcd_peer_port,
            self.port,
            self._manager_port,
            self._scheduler_port,
            self._kwok_port,
        ) = free_ports(6)

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubectl(self) -> list[str]:
        """The beginning of a kubectl command line for this plane."""
        return [str(self._binaries["kubectl"]), f"--kubeconfig={self.kubeconfig}"]

    @property
    def ca_file(self) -> Path:
        """What a client verifies the API server with: its own self-signed certificate."""
        return self.directory / "certs" / "apiserver.crt"

    def command(self, name: str) -> list[str]:
        """The command line of one of the processes."""
        directory = self.directory
        arguments = {
            "etcd": (
                f"--data-dir={directory}/etcd",
                f"--listen-client-urls=http://127.0.0.1:{self._etcd_port}",
                f"--advertise-client-urls=http://127.0.0.1:{self._etcd_port}",
                f"--listen-peer-urls=http://127.0.0.1:{self._etcd_peer_port}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{self._etcd_peer_port}",
                f"--initial-cluster=default=http://127.0.0.1:{self._etcd_peer_port}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ),
            "kube-apiserver": (
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                f"--secure-port={self.port}",
                f"--cert-dir={directory}/certs",
                f"--token-auth-file={directory}/tokens.csv",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={directory}/sa.pub",
                f"--service-account-signing-key-file={directory}/sa.key",
                "--allow-privileged=true",
                # Without a controller manager nobody makes the `default` service accounts.
                *(() if self.simulated else ("--disable-admission-plugins=ServiceAccount",)),
            ),
            "kube-controller-manager": (
                f"--kubeconfig={self.kubeconfig}",
                f"--service-account-private-key-file={directory}/sa.key",
                f"--root-ca-file={self.ca_file}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._manager_port}",
                f"--cert-dir={directory}/certs",
                "--leader-elect=false",
                *_GENEROUS,
            ),
            "kube-scheduler": (
                f"--kubeconfig={self.kubeconfig}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._scheduler_port}",
                f"--cert-dir={directory}/certs",
                "--leader-elect=false",
                *_GENEROUS,
            ),
            "kwok": (
                f"--kubeconfig={self.kubeconfig}",
                f"--config={_KWOK_STAGES}",
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
                "--node-ip=10.0.0.1",
                "--cidr=10.128.0.0/12",
                f"--server-address=127.0.0.1:{self._kwok_port}",
            ),
        }[name]
        return [str(self._binaries[name]), *arguments]

    def start(self, *, nodes: int = 2, prepare: Callable[[ControlPlane], None] | None = None) -> Path:
        """Start everything, wait until it answers, and return the path of the kubeconfig.

        `prepare` is called when the API server answers and before the controllers begin: they know from their
        first moment what it installs.
        """
        self._write_credentials()
        try:
            self.start_process("etcd")
            self.start_process("kube-apiserver")
            self.wait_ready()
            if prepare is not None:
                prepare(self)
            if self.simulated:
                for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
                    self.start_process(name)
                self.add_nodes([f"kwok-{n}" for n in range(nodes)])
                self._wait_for_service_account()
        except BaseException:
            self.stop()
            raise
        return self.kubeconfig

    def start_process(self, name: str) -> None:
        """Start one process (again): fault tests stop and start them one by one."""
        log = open(self.log(name), "ab")  # noqa: SIM115 - closed by stop()
        self._logs.append(log)
        self.processes[name] = subprocess.Popen(
            self.command(name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            env={**os.environ, **_THRIFTY},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def stop_process(self, name: str, *, kill: bool = False) -> None:
        """Stop one process, by SIGTERM or by SIGKILL."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stop everything. Data and logs stay in the directory; it is the caller's to remove."""
        for name in reversed(list(self.processes)):
            # A throw-away API server need not drain its watches: that would take as long as its start.
            self.stop_process(name, kill=True)
        while self._logs:
            self._logs.pop().close()

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.directory / f"{name}.log"

    def wait_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until the API server says that it is ready."""
        deadline = time.monotonic() + seconds
        while True:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise self._failed(name, f"ended with exit code {process.returncode}")
            if self.ca_file.exists() and self.request("/readyz") is not None:
                return
            if time.monotonic() > deadline:
                raise self._failed("kube-apiserver", f"was not ready within {seconds:.0f} s")
            time.sleep(0.05)

    def request(self, path: str, body: object = None, method: str | None = None) -> bytes | None:
        """Send one request as the administrator; None if it was refused or not answered."""
        request = urllib.request.Request(  # noqa: S310 - the URL is our own loopback address
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310
                return bytes(answer.read())
        except (OSError, urllib.error.URLError):
            return None

    def add_nodes(self, names: Sequence[str]) -> None:
        """Make simulated nodes, large enough for any number of pods."""
        for name in names:
            amount = {"cpu": "1000", "memory": "4Ti", "pods": "10000", "ephemeral-storage": "1Pi"}
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {"type": "kwok", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name},
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                },
                "status": {"allocatable": amount, "capacity": amount},
            }
            if self.request("/api/v1/nodes", node) is None:
                raise self._failed("kube-apiserver", f"did not accept the simulated node {name}")

    def _wait_for_service_account(self) -> None:
        """Wait for the default namespace's service account, without which no pod is admitted."""
        deadline = time.monotonic() + _READY_SECONDS
        while self.request("/api/v1/namespaces/default/serviceaccounts/default") is None:
            if time.monotonic() > deadline:
                raise self._failed("kube-controller-manager", "made no service account")
            time.sleep(0.05)

    def _write_credentials(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "certs").mkdir(exist_ok=True)
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self.token},admin,admin,system:masters\n")
        key = self.directory / "sa.key"
        for arguments in (
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)],
            ["pkey", "-in", str(key), "-pubout", "-out", str(self.directory / "sa.pub")],
        ):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(kubeconfig_text(self.url, self.ca_file, self.token))

    def _failed(self, name: str, what: str) -> StepError:
        log = self.log(name)
        text = log.read_text(errors="replace") if log.exists() else ""
        return StepError(f"control plane: {name} {what}\n{tail(text)}\n    log: {log}")
