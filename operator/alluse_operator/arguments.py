"""The operator's command line: each flag with the environment variable behind it and its default."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from alluse_operator.version import operator_version

PREFIX = "ALLUSE_OPERATOR_"
#: The kubelet and Prometheus come from outside the Pod.
EVERYWHERE = "0.0.0.0"  # noqa: S104

#: Settings that take one of a few words.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "deep_checks": ("auto", "true", "false"),
    "leader_election": ("true", "false"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("json", "text"),
}

#: Adds a flag: its name, the variable behind it, the default, what it is, and how argparse takes it.
Add = Callable[..., None]

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


def parser_for(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser, with what the environment says as defaults."""
    parser = argparse.ArgumentParser(
        prog="python3 -m alluse_operator",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_serving(parser.add_argument_group("what it serves"), environment)
    _add_leading(parser.add_argument_group("the cluster and the one leader"), environment)
    _add_showing(parser.add_argument_group("how it is seen"), environment)
    return parser


def _adder(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> Add:
    def add(flag: str, variable: str, default: str, text: str, **how: object) -> None:
        value = environment.get(PREFIX + variable) or default
        shown = f" (${PREFIX}{variable}; default: {default or 'none'})"
        group.add_argument(flag, default=value, help=text + shown, **how)  # type: ignore[arg-type]

    return add


def _add_serving(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
    add = _adder(group, environment)
    group.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        default=None,
        help="a namespace to serve; repeat the flag or separate names by commas. Without it all namespaces "
        f"are served, which needs a ClusterRole (${PREFIX}WATCH_NAMESPACES; default: all)",
    )
    add(
        "--component-image",
        "COMPONENT_IMAGE",
        "alluse/components",
        "image of the built-in components, without a tag, where a system does not name another",
        metavar="REPOSITORY",
    )
    add(
        "--component-version",
        "COMPONENT_VERSION",
        operator_version(),
        "tag of that image, where a system does not name a version",
        metavar="TAG",
    )
    add(
        "--deep-checks",
        "DEEP_CHECKS",
        "auto",
        "ask the components' pods about their health, by their own addresses; auto: only where the operator "
        "runs in a cluster, because from elsewhere pods cannot be reached",
        choices=CHOICES["deep_checks"],
    )
    add(
        "--alert-sinks",
        "ALERT_SINKS",
        "",
        "JSON file of the sinks that alerts can be routed to, beside `log` and `event`",
        metavar="FILE",
    )


def _add_leading(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
    add = _adder(group, environment)
    add("--kubeconfig", "KUBECONFIG", "", "file with the credentials", metavar="FILE")
    add(
        "--leader-election",
        "LEADER_ELECTION",
        "true",
        "false: work without a lease. Only for a single process on a cluster of its own",
        choices=CHOICES["leader_election"],
    )
    add(
        "--lease-namespace",
        "LEASE_NAMESPACE",
        "",
        "where the lease is kept; default: the Pod's own namespace",
        metavar="NAME",
    )
    add("--lease-name", "LEASE_NAME", "allusesystem-operator", "name of the lease", metavar="NAME")
    add(
        "--lease-duration-seconds",
        "LEASE_DURATION_SECONDS",
        "15",
        "a leader that has not been heard of for so long is replaced",
        type=float,
        metavar="N",
    )
    add(
        "--lease-renew-seconds",
        "LEASE_RENEW_SECONDS",
        "10",
        "a leader that could not renew its lease for so long stops by itself",
        type=float,
        metavar="N",
    )
    add(
        "--lease-retry-seconds",
        "LEASE_RETRY_SECONDS",
        "2",
        "how often it is renewed or asked for",
        type=float,
        metavar="N",
    )


def _add_showing(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
    add = _adder(group, environment)
    add(
        "--http-host",
        "HTTP_HOST",
        EVERYWHERE,
        "address of /livez, /readyz and /metrics",
        metavar="ADDRESS",
    )
    add("--http-port", "HTTP_PORT", "8080", "port of these", type=int, metavar="N")
    add(
        "--explain-port",
        "EXPLAIN_PORT",
        "8081",
        "port of /journal and /plan, on 127.0.0.1 alone",
        type=int,
        metavar="N",
    )
    add(
        "--log-level",
        "LOG_LEVEL",
        "info",
        "least level that is logged",
        choices=CHOICES["log_level"],
    )
    add(
        "--log-format",
        "LOG_FORMAT",
        "json",
        "json: one object a line; text: for reading at a terminal",
        choices=CHOICES["log_format"],
    )
