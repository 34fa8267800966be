"""Command line of the cluster tooling: python3 -m tools.cluster VERB."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tools.cluster import controlplane, engine, gotools, kindcluster, nodeimage, paths
from tools.cluster.bringup import bring_up, usable
from tools.cluster.controlplane import ControlPlane
from tools.cluster.steps import Progress, StepError, main_guard

DEFAULT_NAME = "alluse-test"


def _up(arguments: argparse.Namespace) -> int:
    progress = Progress("cluster-up")
    cluster = bring_up(progress, arguments.name, arguments.nodes)
    progress.say(f"\n{progress.summary()}\n\nTo talk to it:\n{usable(cluster)}")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    progress = Progress("cluster-down")
    with progress.step(f"remove {arguments.name}") as step:
        if arguments.name in kindcluster.recorded():
            kindcluster.delete(step, engine.find(step), arguments.name)
        else:
            step.note("we made no cluster of that name")
    return 0


def _existing(progress: Progress, name: str) -> kindcluster.KindCluster:
    with progress.step("find the cluster") as step:
        container_engine = engine.find(step)
        cluster = kindcluster.existing(step, container_engine, name) if container_engine else None
        if cluster is None:
            raise step.fail(
                f"there is no healthy cluster {name}", f"Make it: python3 -m tools.cluster up --name {name}"
            )
    return cluster


def _binaries(arguments: argparse.Namespace) -> int:
    progress = Progress("binaries")
    with progress.step("binaries") as step:
        wanted = arguments.binary or [*nodeimage.BINARIES, "kind", "helm", "kwok"]
        found = gotools.build(step, wanted)
    print("\n".join(str(path) for path in found.values()))
    return 0


def _run_with(arguments: argparse.Namespace) -> int:
    """Replace this process by a client of the cluster."""
    cluster = _existing(Progress("run"), arguments.name)
    command = [str(cluster.programs.get(arguments.command[0], arguments.command[0])), *arguments.command[1:]]
    found_first = [str(Path(program).parent) for program in cluster.programs.values()]
    path = os.pathsep.join(
        dict.fromkeys([*found_first, *os.environ.get("PATH", os.defpath).split(os.pathsep)])
    )
    environment = {**os.environ, **cluster.environment(), "PATH": path}
    os.execvpe(command[0], command, environment)  # noqa: S606 - as typed


def _control_plane(arguments: argparse.Namespace) -> int:
    progress = Progress("control-plane")
    names = controlplane.SIMULATED_BINARIES if arguments.simulated else controlplane.BARE_BINARIES
    with progress.step("binaries") as step:
        binaries = gotools.build(step, names)
    with tempfile.TemporaryDirectory(prefix="control-plane-") as directory:
        plane = ControlPlane(Path(directory), binaries, simulated=arguments.simulated)
        with progress.step("control plane"):
            plane.start(nodes=arguments.nodes)
        try:
            progress.say(f"\nexport KUBECONFIG={plane.kubeconfig}\nIt runs until you press Ctrl-C.")
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0
        finally:
            plane.stop()


def _status(_: argparse.Namespace) -> int:
    progress = Progress("status")
    with progress.step("look") as step:
        container_engine = engine.find(step)
    print(f"engine:   {container_engine.reason if container_engine else 'none answers'}")
    for name in kindcluster.recorded():
        with progress.step(name) as step:
            cluster = kindcluster.existing(step, container_engine, name) if container_engine else None
        print(f"cluster:  {name}: {'healthy' if cluster else 'not healthy'}, {paths.kubeconfig(name)}")
    print(f"caches:   {paths.cache_root()}\nstate:    {paths.state_root()}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m tools.cluster",
        description="A Kubernetes cluster on whatever machine this is. Where an engine answers and images "
        "can be pulled, that is kind with its stock image; on a bare Debian (as root) the engine is "
        "installed, and Kubernetes is built from pinned Go modules. Nothing is built twice: results are "
        f"kept in {paths.cache_root()}.",
    )
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, handler: object, text: str) -> argparse.ArgumentParser:
        command = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(handler=handler)
        return command

    up = verb("up", _up, "make a kind cluster, or check that it is there and healthy")
    up.add_argument("--name", default=DEFAULT_NAME)
    up.add_argument("--nodes", type=int, default=1, help="1 control plane, the rest workers (default: 1)")
    down = verb("down", _down, "remove a cluster that `up` made; the engine and the caches stay")
    down.add_argument("--name", default=DEFAULT_NAME)
    binaries = verb("binaries", _binaries, "build the pinned binaries, and print their paths")
    binaries.add_argument("binary", nargs="*", help="kubectl, helm, kind, kube-apiserver, ... (default: all)")
    run = verb("run", _run_with, "run kubectl, helm, kind or docker against a cluster of ours")
    run.add_argument("--name", default=DEFAULT_NAME)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    plane = verb("control-plane", _control_plane, "run etcd and kube-apiserver as processes until Ctrl-C")
    plane.add_argument("--simulated", action="store_true", help="with controllers, scheduler and fake nodes")
    plane.add_argument("--nodes", type=int, default=2, help="how many fake nodes (default: 2)")
    verb("status", _status, "say what runs, and where things are")
    return top


def main() -> int:
    """Run a verb."""
    arguments = parser().parse_args()
    return main_guard(lambda: int(arguments.handler(arguments)))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as error:
        sys.exit(str(error))
