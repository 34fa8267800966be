"""What an engine's networks leave behind in the kernel when it stops: bridges, chains and rules."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import shutil
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.steps import Step

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Of <linux/sockios.h> and <linux/if.h>.
_GET_FLAGS, _SET_FLAGS, _DELETE_BRIDGE = 0x8913, 0x8914, 0x89A1
_UP = 0x1
_INSPECT = "{{.Id}}{{range .IPAM.Config}} {{.Subnet}}{{end}}"


@dataclass(frozen=True)
class Networks:
    """The bridge networks of an engine."""

    bridges: frozenset[str] = frozenset()
    subnets: tuple[Subnet, ...] = ()


def parse(listing: str) -> Networks:
    """The networks in the output of `docker network inspect`: a line each, its id and its subnets."""
    lines = [line.split() for line in listing.splitlines() if line.strip()]
    return Networks(
        # So does Docker name the bridge of a network that it was given no name for.
        frozenset(f"br-{words[0][:12]}" for words in lines),
        tuple(ipaddress.ip_network(subnet) for words in lines for subnet in words[1:]),
    )


def of_engine(step: Step, environment: Mapping[str, str]) -> Networks:
    """The networks of an engine that answers."""
    listed = step.run(
        ["docker", "network", "ls", "-q", "--no-trunc", "--filter", "driver=bridge"],
        env=environment,
        check=False,
    ).stdout.split()
    if not listed:
        return Networks()
    inspect = ["docker", "network", "inspect", "--format", _INSPECT, *listed]
    return parse(step.run(inspect, env=environment, check=False).stdout)


def remove_leftovers(step: Step, networks: Networks) -> None:
    """Remove what is still there of an engine that has stopped. Removing a network should have done it."""
    if shutil.which("iptables") is not None:
        for table in ("filter", "nat"):
            done = step.run(["iptables", "-w", "-t", table, "-S"], check=False)
            for arguments in iptables_cleanup(done.stdout.splitlines(), networks.subnets):
                step.run(["iptables", "-w", "-t", table, *arguments], check=False)
    for name in sorted(networks.bridges):
        if Path("/sys/class/net", name, "bridge").is_dir():
            step.write(f"removing the bridge {name}\n")
            try:
                _remove_bridge(name)
            except OSError as error:
                step.note(f"the bridge {name} could not be removed: {error.strerror}")


def iptables_cleanup(rules: Sequence[str], subnets: Collection[Subnet] = ()) -> list[list[str]]:
    """The iptables arguments that remove Docker's chains and all rules that name them, its bridges, or an
    address in `subnets`.

    `rules` is the output of `iptables -S` for one table. Others' rules are left alone.
    """
    chains = [rule.split()[1] for rule in rules if re.match(r"-N DOCKER(-|$)", rule)]
    ours = re.compile(r" -j DOCKER(-\S+)?( |$)| -[io] (docker0|br-[0-9a-f]{12})( |$)")
    deletions = [
        ["-D", *rule.split()[1:]]
        for rule in rules
        if rule.startswith("-A ")
        and rule.split()[1] not in chains
        and (ours.search(rule) or _is_within(rule, subnets))
    ]
    return [*deletions, *(["-F", chain] for chain in chains), *(["-X", chain] for chain in chains)]


def _is_within(rule: str, subnets: Collection[Subnet]) -> bool:
    """Whether a rule is for traffic from a subnet to itself, as that of a published port is."""
    ends = dict(re.findall(r" -([sd]) (\S+)", rule))
    if ends.keys() != {"s", "d"}:
        return False
    source, target = (ipaddress.ip_network(ends[end]) for end in "sd")
    return any(
        subnet.version == source.version and subnet.supernet_of(source) and subnet.supernet_of(target)  # type: ignore[arg-type]
        for subnet in subnets
    )


def _remove_bridge(name: str) -> None:
    """Take a bridge down and away. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", os.fsencode(name), 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _GET_FLAGS, request), 16)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH22x", os.fsencode(name), flags & ~_UP))
        fcntl.ioctl(control, _DELETE_BRIDGE, os.fsencode(name) + b"\0")
