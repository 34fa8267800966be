"""What is taken away of an engine's networks, and what is left alone."""

from __future__ import annotations

from ipaddress import ip_network

from tools.cluster import networks


def test_a_network_is_read_from_what_docker_tells() -> None:
    listing = "0123456789abcdef0123 172.17.0.0/16 fc00:f853:ccd:e793::/64\nfedcba9876543210fedc\n"
    assert networks.parse(listing) == networks.Networks(
        frozenset({"br-0123456789ab", "br-fedcba987654"}),
        (ip_network("172.17.0.0/16"), ip_network("fc00:f853:ccd:e793::/64")),
    )


def test_only_docker_s_own_chains_and_rules_are_removed() -> None:
    rules = [
        "-P FORWARD ACCEPT",
        "-N DOCKER",
        "-N DOCKER-USER",
        "-N MY-DOCKER",
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -o br-0123456789ab -j DOCKER",
        "-A FORWARD -i br-lan -j ACCEPT",
        "-A FORWARD -j MY-DOCKER",
        "-A DOCKER-USER -j RETURN",
    ]
    assert networks.iptables_cleanup(rules) == [
        ["-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-D", "FORWARD", "-o", "br-0123456789ab", "-j", "DOCKER"],
        ["-F", "DOCKER"],
        ["-F", "DOCKER-USER"],
        ["-X", "DOCKER"],
        ["-X", "DOCKER-USER"],
    ]


def test_a_published_port_s_rule_goes_with_its_network() -> None:
    rules = [
        "-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 6443 -j MASQUERADE",
        "-A POSTROUTING -s 172.17.0.2/32 -d 10.0.0.1/32 -j MASQUERADE",
        "-A POSTROUTING -s 172.30.0.2/32 -d 172.30.0.2/32 -j MASQUERADE",
        "-A POSTROUTING -s 172.17.0.0/16 -j ACCEPT",
    ]
    subnets = (ip_network("172.17.0.0/16"), ip_network("fc00:f853:ccd:e793::/64"))
    assert networks.iptables_cleanup(rules, subnets) == [
        ["-D", "POSTROUTING", *rules[0].split()[2:]],
    ]
    assert networks.iptables_cleanup(rules) == []
