"""The image of a kind node, for machines that cannot pull kind's own: Debian, containerd, Kubernetes.

Its parts are the pinned binaries and the files in `node/`. The images that kubeadm and the addons want
are written without an engine and put into the node's containerd beforehand, so that a cluster comes up
without any registry. Compare https://kind.sigs.k8s.io/docs/design/node-image/.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tools.cluster import cache, gotools, ociimage, rootfs
from tools.cluster.engine import Engine
from tools.cluster.steps import Step

#: Images of ours that are in the node have a name that no registry serves.
LOCAL = "localhost/alluse"
BINARIES = (
    *gotools.TOOLS["kubernetes"].binaries,
    *gotools.TOOLS["containerd"].binaries,
    *gotools.TOOLS["cni-plugins"].binaries,
    "etcd",
    "crictl",
    "coredns",
    "local-path-provisioner",
    "metrics-server",
    "pause",
)
_FILES = Path(__file__).with_name("node")
_PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "ethtool",
    "iproute2",
    "iptables",
    "kmod",
    "libseccomp2",
    "mount",
    "procps",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
#: Units that have no meaning in a container, and the setup of /tmp files, which would hide kind's mounts.
_HOOKS = (
    "rm -rf $1/etc/systemd/system/*.wants $1/lib/systemd/system/multi-user.target.wants/*"
    " $1/lib/systemd/system/local-fs.target.wants/* $1/lib/systemd/system/basic.target.wants/*"
    " $1/lib/systemd/system/sockets.target.wants/*udev* $1/lib/systemd/system/sockets.target.wants/*initctl*"
    " $1/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "rm -rf $1/var/cache/apt/* $1/var/lib/apt/lists/* $1/var/log/*.log",
)
_XTABLES = ("xtables-nft-multi", "xtables-legacy-multi")
_CONTAINERD_SECONDS = 30.0


def metrics_server_image() -> str:
    """The name under which the node has metrics-server."""
    return f"{LOCAL}/metrics-server:{gotools.TOOLS['metrics-server'].version}"


def _provisioner_image() -> str:
    return f"{LOCAL}/local-path-provisioner:{gotools.TOOLS['local-path-provisioner'].version}"


def _helper_image() -> str:
    return f"{LOCAL}/busybox:{rootfs.SUITE}"


def root(step: Step) -> Path:
    """The tar archive of the node's Debian root."""
    return rootfs.build(step, "node", _PACKAGES, "minbase", _HOOKS)


def tag(binaries: Mapping[str, Path]) -> str:
    """The name of the image: the Kubernetes version and a key of everything that is in it."""
    # A binary's directory is named by the key of what it was built from.
    parts = [f"{name}={path.parent.name}" for name, path in sorted(binaries.items()) if name in BINARIES]
    sources = [Path(__file__), Path(ociimage.__file__), Path(rootfs.__file__)]
    key = cache.key(_FILES, *sources, *_PACKAGES, *_HOOKS, *parts)
    return f"alluse/node:{gotools.TOOLS['kubernetes'].version}-{key}"


def kubeadm_images(listing: str) -> dict[str, str]:
    """The images that kubeadm wants, by the last part of their name without the tag."""
    return {line.rsplit(":", 1)[0].rsplit("/", 1)[-1]: line for line in listing.split() if ":" in line}


def libraries(listing: str) -> set[str]:
    """The paths of libraries and loaders in the output of `ldd` for one or more files."""
    words = {word for line in listing.splitlines() for word in line.split() if word.startswith("/")}
    return {word for word in words if not word.endswith(":")}


def _packet_filter(step: Step, base: Path) -> dict[str, Path]:
    """The root's iptables with its extensions, and all the libraries that these need."""
    extensions = sorted((base / "usr/lib").glob("*/xtables/*.so"))
    names = [f"/usr/sbin/{program}" for program in _XTABLES]
    names += [f"/{extension.relative_to(base)}" for extension in extensions]
    needed = libraries(step.run(["chroot", base, "ldd", *names]).stdout)
    return {name: base / name.lstrip("/") for name in (*names, *sorted(needed))}


def _images(step: Step, base: Path, binaries: Mapping[str, Path]) -> tuple[list[ociimage.Image], str]:
    """All images that a node holds, and the name of the pause image."""
    version = gotools.TOOLS["kubernetes"].version
    wanted = kubeadm_images(
        step.run([binaries["kubeadm"], "config", "images", "list", "--kubernetes-version", version]).stdout
    )
    images = [
        ociimage.Image(wanted[name], {f"/usr/local/bin/{name}": binaries[name]})
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    ]
    # kube-proxy drives the node's packet filter with the node's own programs.
    tools = {"/usr/local/bin/kube-proxy": binaries["kube-proxy"], **_packet_filter(step, base)}
    links = {
        f"/usr/sbin/{prefix}tables{suffix}": "xtables-nft-multi"
        for prefix in ("ip", "ip6")
        for suffix in ("", "-save", "-restore")
    }
    images.append(ociimage.Image(wanted["kube-proxy"], tools, links))
    images.append(
        ociimage.Image(
            wanted["coredns"], {"/coredns": binaries["coredns"]}, config={"Entrypoint": ["/coredns"]}
        )
    )
    images.append(
        ociimage.Image(wanted["pause"], {"/pause": binaries["pause"]}, config={"Entrypoint": ["/pause"]})
    )
    images.append(
        ociimage.Image(
            _provisioner_image(),
            {"/usr/local/bin/local-path-provisioner": binaries["local-path-provisioner"]},
        )
    )
    images.append(
        ociimage.Image(
            metrics_server_image(),
            {"/metrics-server": binaries["metrics-server"]},
            config={"Entrypoint": ["/metrics-server"]},
        )
    )
    images.append(
        ociimage.Image(
            _helper_image(),
            {"/bin/busybox": base / "bin/busybox"},
            {f"/bin/{name}": "busybox" for name in ("sh", "mkdir", "rm", "chmod", "ls", "cat")},
        )
    )
    return images, wanted["pause"]


def _install(base: Path, binaries: Mapping[str, Path], pause: str) -> None:
    """Put the binaries and the files of `node/` where they belong in the root."""

    def put(source: Path, target: str, mode: int = 0o644, **values: str) -> None:
        path = base / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if values:
            text = source.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name.upper()}@", value)
            path.write_text(text)
        else:
            shutil.copyfile(source, path)
        path.chmod(mode)

    for name in ("kubeadm", "kubelet", "kubectl"):
        put(binaries[name], f"usr/bin/{name}", 0o755)
    for name in (*gotools.TOOLS["containerd"].binaries, "crictl"):
        put(binaries[name], f"usr/local/bin/{name}", 0o755)
    for name in gotools.TOOLS["cni-plugins"].binaries:
        put(binaries[name], f"opt/cni/bin/{name}", 0o755)
    put(_FILES / "entrypoint", "usr/local/bin/entrypoint", 0o755)
    for name in ("kubelet-cgroups", "podnet"):
        put(_FILES / name, f"kind/{name}", 0o755)
    put(_FILES / "podnet.conflist", "kind/podnet.conflist")
    put(_FILES / "containerd.toml", "etc/containerd/config.toml", pause=pause)
    for name in ("containerd.service", "kubelet.service", "kubelet.slice", "podnet.service"):
        put(_FILES / name, f"etc/systemd/system/{name}")
    put(_FILES / "default-cni.yaml", "kind/manifests/default-cni.yaml")
    put(
        _FILES / "default-storage.yaml",
        "kind/manifests/default-storage.yaml",
        provisioner=_provisioner_image(),
        helper=_helper_image(),
    )
    wants = base / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name in ("containerd.service", "kubelet.service", "podnet.service"):
        (wants / name).symlink_to(f"/etc/systemd/system/{name}")
    (base / "etc/crictl.yaml").write_text("runtime-endpoint: unix:///run/containerd/containerd.sock\n")
    (base / "kind/version").write_text(gotools.TOOLS["kubernetes"].version)
    (base / "etc/kubernetes/manifests").mkdir(parents=True, exist_ok=True)
    with open(base / "etc/systemd/journald.conf", "a") as file:
        file.write("ReadKMsg=no\n")


def _preload(step: Step, base: Path, work: Path, binaries: Mapping[str, Path], archive: Path) -> None:
    """Import the images into the root's containerd, by a containerd that runs for only this."""
    socket = work / "containerd.sock"
    config = work / "containerd.toml"
    config.write_text('version = 3\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    command = [
        str(binaries["containerd"]),
        f"--config={config}",
        f"--root={base}/var/lib/containerd",
        f"--state={work}/state",
        f"--address={socket}",
        "--log-level=warn",
    ]
    with open(step.log, "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _CONTAINERD_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise step.fail("containerd did not start")
            time.sleep(0.05)
        ctr = [str(binaries["ctr"]), f"--address={socket}", "--namespace=k8s.io"]
        step.run([*ctr, "images", "import", "--no-unpack", "--digests", str(archive)])
        step.run([*ctr, "images", "ls", "-q"])
    finally:
        process.terminate()
        process.wait()


def _make(step: Step, directory: Path, binaries: Mapping[str, Path]) -> None:
    """Fill a cache entry with the tar archive of the whole node."""
    base = directory / "root"
    base.mkdir()
    step.run(["tar", "-C", str(base), "-xf", str(root(step))])
    images, pause = _images(step, base, binaries)
    _install(base, binaries, pause)
    archive = directory / "images.tar"
    ociimage.write(archive, images)
    work = directory / "work"
    work.mkdir()
    _preload(step, base, work, binaries, archive)
    step.run(["tar", "-C", str(base), "-cf", str(directory / "node.tar"), "."])
    for path in (base, work):
        cache.remove_tree(path)
    archive.unlink()


def ensure(step: Step, engine: Engine, binaries: Mapping[str, Path]) -> str:
    """The name of the node image, made and given to the engine if it does not have it yet."""
    name = tag(binaries)
    if engine.has_image(step, name):
        step.note("the engine has it")
        return name
    key = name.rsplit(":", 1)[1]
    entry, built = cache.get_or_build("node", key, lambda d: _make(step, d, binaries), step.waiting)
    step.note("built" if built else "from the cache")
    plain = f"{name}-plain"
    engine.docker(step, "import", entry / "node.tar", plain)
    # `docker import` cannot set a stop signal, and systemd needs its own.
    dockerfile = (
        f"FROM {plain}\nENV container=docker\nSTOPSIGNAL SIGRTMIN+3\n"
        'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]\n'
    )
    step.run(
        ["docker", "build", "-q", "-t", name, "-"],
        env={**engine.environment, "DOCKER_BUILDKIT": "0"},
        stdin=dockerfile,
    )
    engine.docker(step, "rmi", plain)
    return name
