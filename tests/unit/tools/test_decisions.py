"""Which road is taken on which machine: each fact alone decides, and its reason is said."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from tools.cluster import addons, engine, kindcluster, machine, nodeimage, programs
from tools.cluster.engine import Engine
from tools.cluster.steps import Progress, StepError

ENGINE = Engine(False, "it answers")


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Progress("test", io.StringIO()).step("decide") as step:
        yield step


def facts(
    monkeypatch: pytest.MonkeyPatch, *, lacks: bool = False, v1: bool = False, pulls: bool = True
) -> None:
    monkeypatch.setattr(machine, "lacks_sys_resource", lambda: lacks)
    monkeypatch.setattr(machine, "cgroup_v1", lambda: v1)
    monkeypatch.setattr(kindcluster.registry, "pull", lambda *_: pulls)


@pytest.mark.parametrize(
    ("fact", "stock", "reason"),
    [
        ({}, True, "can be pulled"),
        ({"pulls": False}, False, "cannot be pulled"),
        ({"v1": True}, False, "cgroup v1"),
        ({"lacks": True}, False, "CAP_SYS_RESOURCE"),
    ],
)
def test_the_stock_node_image_is_used_where_it_works(step, monkeypatch, fact, stock, reason) -> None:
    facts(monkeypatch, **fact)
    used, why = kindcluster.choose_node_image(step, ENGINE)
    assert used is stock
    assert reason in why


def test_an_engine_that_answers_is_used_as_it_is(step, monkeypatch) -> None:
    monkeypatch.setattr(engine, "our_pid", lambda: None)
    monkeypatch.setattr(engine, "_answers", lambda _step, environment: not environment)
    found = engine.ensure(step)
    assert (found.ours, found.environment) == (False, {})


def test_our_engine_comes_before_the_machine_s(step, monkeypatch) -> None:
    monkeypatch.setattr(engine, "our_pid", lambda: 1)
    monkeypatch.setattr(engine, "_answers", lambda *_: True)
    found = engine.ensure(step)
    assert found.ours
    assert "DOCKER_HOST" in found.environment


def test_without_an_engine_only_root_gets_one(step, monkeypatch) -> None:
    monkeypatch.setattr(engine, "find", lambda _: None)
    monkeypatch.setattr(engine.os, "geteuid", lambda: 1000)
    with pytest.raises(StepError, match="only root may start one"):
        engine.ensure(step)


@pytest.mark.parametrize(
    ("printed", "own"), [("v1.36.0", True), ("v1.35.9", True), ("v1.32.4-dispatcher", False), ("", False)]
)
def test_a_program_on_the_path_is_used_if_it_is_new_enough(step, monkeypatch, tmp_path, printed, own) -> None:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\necho 'Client Version: {printed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    built = {"kubectl": Path("/built/kubectl")}
    monkeypatch.setattr(programs.gotools, "build", lambda *_: built)
    assert programs.find(step, [programs.KUBECTL])["kubectl"] == (program if own else built["kubectl"])


@pytest.mark.parametrize(("bits", "has"), [("000001fffeffffff", False), ("000001ffffffffff", True)])
def test_the_bounding_set_is_read(bits: str, has: bool) -> None:
    assert machine.has_capability(f"CapEff:\t0000000000000000\nCapBnd:\t{bits}\n", 24) is has


def test_the_kubelet_is_told_about_cgroup_v1_only_where_it_is() -> None:
    def kubelet(cgroup_v1: bool) -> dict[str, object]:
        config = kindcluster.config(3, cgroup_v1=cgroup_v1)
        patches = config["kubeadmConfigPatches"]
        assert isinstance(patches, list)
        return next(p for p in map(json.loads, patches) if p["kind"] == "KubeletConfiguration")

    assert kubelet(True)["failCgroupV1"] is False
    assert "failCgroupV1" not in kubelet(False)


def test_one_node_is_the_control_plane_and_the_rest_are_workers() -> None:
    nodes = kindcluster.config(3, cgroup_v1=False)["nodes"]
    assert nodes == [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("registry.example/coredns/coredns:v1", "registry.example"),
        ("mirror:5000/coredns:v1", "mirror:5000"),
        ("localhost/alluse/x:1", "localhost"),
    ],
)
def test_the_registry_is_taken_from_an_image_that_runs(image: str, registry: str) -> None:
    assert addons.registry_of(image) == registry


@pytest.mark.parametrize("image", ["coredns:v1", "library/coredns:v1"])
def test_a_name_without_a_registry_is_an_error(image: str) -> None:
    with pytest.raises(ValueError, match="does not name its registry"):
        addons.registry_of(image)


def test_kubeadm_s_images_are_known_by_their_last_part() -> None:
    listing = "host.example/kube-proxy:v1\nhost.example/coredns/coredns:v1.14\n"
    assert nodeimage.kubeadm_images(listing) == {
        "kube-proxy": "host.example/kube-proxy:v1",
        "coredns": "host.example/coredns/coredns:v1.14",
    }


def test_libraries_are_read_from_ldd() -> None:
    listing = """\
/usr/sbin/xtables-nft-multi:
\tlinux-vdso.so.1 (0x00007ffd)
\tlibmnl.so.0 => /lib/x86_64-linux-gnu/libmnl.so.0 (0x00007f1)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f2)
"""
    assert nodeimage.libraries(listing) == {
        "/lib/x86_64-linux-gnu/libmnl.so.0",
        "/lib64/ld-linux-x86-64.so.2",
    }
