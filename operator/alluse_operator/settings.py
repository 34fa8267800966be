"""What the operator is told when it starts: flags, each with an environment variable behind it."""

from __future__ import annotations

import argparse
import os
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alluse_operator.cluster.alerting.configuration import SinkSettings, load
from alluse_operator.cluster.leases import LeaseTimes
from alluse_operator.core.desired import Defaults
from alluse_operator.errors import SettingsError

PREFIX = "ALLUSE_OPERATOR_"
#: The kubelet and Prometheus come from outside the Pod.
EVERYWHERE = "0.0.0.0"  # noqa: S104
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

#: Settings that take one of a few words.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "deep_checks": ("auto", "true", "false"),
    "leader_election": ("true", "false"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("json", "text"),
}

_DESCRIPTION = """\
Runs the AllUseSystem operator: it watches AllUseSystem resources and keeps the components that they ask for
running, in the order of their dependencies.

Credentials are taken from --kubeconfig, else from the Pod's service account, else from $KUBECONFIG or
~/.kube/config. Each flag can also be given as an environment variable (named in its help); the flag wins.
"""

_EXAMPLES = """\
examples:
  in a cluster, for all namespaces (this is what the Helm chart runs):
      python3 -m alluse_operator
  on your own machine, for two namespaces, with logs to read:
      python3 -m alluse_operator --kubeconfig ~/.kube/config --namespace team-a,team-b --log-format text
  what is it doing?
      curl localhost:8080/readyz      ready, or what keeps it from being so
      curl localhost:8080/metrics     Prometheus metrics, allusesystem_*

Only one process works at a time: it holds the lease --lease-name in --lease-namespace; others stand by and
take over when it stops or dies. Two operators that serve different namespaces need different lease names.
"""


def operator_version() -> str:
    """Version of this distribution; also the components' version unless told otherwise."""
    try:
        return version("allusesystem")
    except PackageNotFoundError:
        return "0.0.0"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside."""

    namespaces: tuple[str, ...] = ()
    """Served namespaces; empty: all."""
    kubeconfig: str | None = None
    component_image: str = "alluse/components"
    component_version: str = field(default_factory=operator_version)
    operator_namespace: str = ""
    deep_checks: bool = True
    http_host: str = EVERYWHERE
    http_port: int = 8080
    explain_port: int = 8081
    """Port of the journal, on the loopback address alone."""
    log_level: str = "info"
    log_format: str = "json"
    leader_election: bool = True
    lease_namespace: str = "default"
    lease_name: str = "allusesystem-operator"
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    identity: str = "local"
    alert_sinks: tuple[SinkSettings, ...] = ()
    """Beside those that are built in."""

    @property
    def defaults(self) -> Defaults:
        return Defaults(
            component_image=self.component_image,
            version=self.component_version,
            operator_namespace=self.operator_namespace,
        )


def parse(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the command line and the environment; raises SettingsError for values that cannot work.

    `--help` and unknown flags end the process, as argparse does.
    """
    environment = os.environ if environment is None else environment
    given = _parser(environment).parse_args(arguments)
    for name, words in CHOICES.items():
        # argparse does not look at what comes from the environment.
        if (value := getattr(given, name)) not in words:
            raise SettingsError(f"{PREFIX}{name.upper()}: {value!r} is none of {', '.join(words)}")
    texts = given.namespace or [environment.get(PREFIX + "WATCH_NAMESPACES", "")]
    namespaces = tuple(dict.fromkeys(name for text in texts for name in _split(text)))
    for name in namespaces:
        if not _NAME.fullmatch(name) or len(name) > 63:
            raise SettingsError(
                f"--namespace: {name!r} is not the name of a namespace (patterns are not supported)"
            )
    own_namespace = environment.get(PREFIX + "NAMESPACE") or _pod_namespace()
    times = LeaseTimes(
        duration=timedelta(seconds=given.lease_duration_seconds),
        renew_within=timedelta(seconds=given.lease_renew_seconds),
        retry=timedelta(seconds=given.lease_retry_seconds),
    )
    if not timedelta(0) < times.retry < times.renew_within < times.duration:
        raise SettingsError(
            "lease times: needed is 0 < --lease-retry-seconds < --lease-renew-seconds < "
            "--lease-duration-seconds"
        )
    for flag, port in (("--http-port", given.http_port), ("--explain-port", given.explain_port)):
        if not 0 <= port <= 65535:
            raise SettingsError(f"{flag}: {port} is not a port (0 takes any free one)")
    host = environment.get(PREFIX + "POD_NAME") or socket.gethostname()
    return Settings(
        namespaces=namespaces,
        kubeconfig=given.kubeconfig or None,
        component_image=given.component_image,
        component_version=given.component_version,
        operator_namespace=own_namespace,
        deep_checks=given.deep_checks == "true"
        or (given.deep_checks == "auto" and "KUBERNETES_SERVICE_HOST" in environment),
        http_host=given.http_host,
        http_port=given.http_port,
        explain_port=given.explain_port,
        log_level=given.log_level,
        log_format=given.log_format,
        leader_election=given.leader_election == "true",
        lease_namespace=given.lease_namespace or own_namespace or "default",
        lease_name=given.lease_name,
        lease=times,
        identity=f"{host}_{uuid.uuid4().hex[:8]}",
        alert_sinks=load(Path(given.alert_sinks)) if given.alert_sinks else (),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m alluse_operator",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(
        group: argparse._ArgumentGroup, flag: str, variable: str, default: str, text: str, **how: object
    ) -> None:
        value = environment.get(PREFIX + variable) or default
        shown = f" (${PREFIX}{variable}; default: {default or 'none'})"
        group.add_argument(flag, default=value, help=text + shown, **how)  # type: ignore[arg-type]

    what = parser.add_argument_group("what it serves")
    what.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        default=None,
        help="a namespace to serve; repeat the flag or separate names by commas. Without it all namespaces "
        f"are served, which needs a ClusterRole (${PREFIX}WATCH_NAMESPACES; default: all)",
    )
    add(
        what,
        "--component-image",
        "COMPONENT_IMAGE",
        "alluse/components",
        "image of the built-in components, without a tag, where a system does not name another",
        metavar="REPOSITORY",
    )
    add(
        what,
        "--component-version",
        "COMPONENT_VERSION",
        operator_version(),
        "tag of that image, where a system does not name a version",
        metavar="TAG",
    )

    add(
        what,
        "--deep-checks",
        "DEEP_CHECKS",
        "auto",
        "ask the components' pods about their health, by their own addresses; auto: only where the operator "
        "runs in a cluster, because from elsewhere pods cannot be reached",
        choices=CHOICES["deep_checks"],
    )

    add(
        what,
        "--alert-sinks",
        "ALERT_SINKS",
        "",
        "JSON file of the sinks that alerts can be routed to, beside `log` and `event`",
        metavar="FILE",
    )

    reach = parser.add_argument_group("the cluster and the one leader")
    add(reach, "--kubeconfig", "KUBECONFIG", "", "file with the credentials", metavar="FILE")
    add(
        reach,
        "--leader-election",
        "LEADER_ELECTION",
        "true",
        "false: work without a lease. Only for a single process on a cluster of its own",
        choices=CHOICES["leader_election"],
    )
    add(
        reach,
        "--lease-namespace",
        "LEASE_NAMESPACE",
        "",
        "where the lease is kept; default: the Pod's own namespace",
        metavar="NAME",
    )
    add(reach, "--lease-name", "LEASE_NAME", "allusesystem-operator", "name of the lease", metavar="NAME")
    add(
        reach,
        "--lease-duration-seconds",
        "LEASE_DURATION_SECONDS",
        "15",
        "a leader that has not been heard of for so long is replaced",
        type=float,
        metavar="N",
    )
    add(
        reach,
        "--lease-renew-seconds",
        "LEASE_RENEW_SECONDS",
        "10",
        "a leader that could not renew its lease for so long stops by itself",
        type=float,
        metavar="N",
    )
    add(
        reach,
        "--lease-retry-seconds",
        "LEASE_RETRY_SECONDS",
        "2",
        "how often it is renewed or asked for",
        type=float,
        metavar="N",
    )

    seen = parser.add_argument_group("how it is seen")
    add(
        seen,
        "--http-host",
        "HTTP_HOST",
        EVERYWHERE,
        "address of /livez, /readyz and /metrics",
        metavar="ADDRESS",
    )
    add(seen, "--http-port", "HTTP_PORT", "8080", "port of these", type=int, metavar="N")
    add(
        seen,
        "--explain-port",
        "EXPLAIN_PORT",
        "8081",
        "port of /journal and /plan, on 127.0.0.1 alone",
        type=int,
        metavar="N",
    )
    add(
        seen,
        "--log-level",
        "LOG_LEVEL",
        "info",
        "least level that is logged",
        choices=CHOICES["log_level"],
    )
    add(
        seen,
        "--log-format",
        "LOG_FORMAT",
        "json",
        "json: one object a line; text: for reading at a terminal",
        choices=CHOICES["log_format"],
    )

    return parser


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pod_namespace() -> str:
    try:
        return _POD_NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
