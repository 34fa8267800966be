"""What the operator is told when it starts, checked and typed."""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from alluse_operator.arguments import CHOICES, EVERYWHERE, PREFIX, parser_for
from alluse_operator.cluster.alerting.configuration import SinkSettings, load
from alluse_operator.cluster.leases import LeaseTimes
from alluse_operator.core.desired import Defaults
from alluse_operator.errors import SettingsError
from alluse_operator.version import operator_version

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
    given = parser_for(environment).parse_args(arguments)
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


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pod_namespace() -> str:
    try:
        return _POD_NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
