"""The demo: from a bare machine to 16 components running on Kubernetes, and back.

python3 -m tools.demo up      (make demo)
python3 -m tools.demo down    (make demo-down)
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.cluster import addons, appimages, bringup, cache, engine, follow, kindcluster, paths, programs
from tools.cluster.appimages import Reference
from tools.cluster.engine import Engine
from tools.cluster.steps import Background, Progress, Step, StepError, main_guard

CLUSTER = "alluse-demo"
RELEASE = "allusesystem-operator"
OPERATOR_NAMESPACE = "alluse-system"
SYSTEM_NAMESPACE = "alluse"
SYSTEM = "alluse"
CHART = paths.REPOSITORY / "helm" / "allusesystem-operator"
#: The whole system with all defaults. The other samples are for trying out afterwards.
SAMPLE = paths.REPOSITORY / "manifests" / "samples" / "minimal.yaml"
_READY_SECONDS = 300.0


@dataclass(frozen=True)
class Target:
    """The cluster that the demo goes to, whoever made it."""

    kubectl: list[str]
    helm: list[str]
    context: str
    #: What a person must set to reach it with their own tools.
    environment: Mapping[str, str] = field(default_factory=dict)


# -- an existing cluster ----------------------------------------------------------------------------


def _marks() -> Path:
    """Records of the contexts in which we have installed something."""
    return paths.state_root() / "contexts"


def _mark(context: str) -> Path:
    return _marks() / f"{cache.key(context)}.json"


def confirm(context: str, server: str, yes: bool) -> None:
    """Ask before anything is done to a cluster that we did not make."""
    question = (
        f"The context {context} ({server}) is not one that this demo made. It would install the operator "
        f"into the namespace {OPERATOR_NAMESPACE}, its resource definition, and a system into the namespace "
        f"{SYSTEM_NAMESPACE}."
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise StepError(f"{question}\nNobody is there to ask: run it in a terminal, or pass --yes.")
    if input(f"{question}\nGo on? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise StepError("Nothing was done.")


def _existing_context(step: Step, context: str) -> tuple[Target, str]:
    """A context of the person's own kubeconfig, and the address of its server."""
    found = programs.find(step, [programs.KUBECTL, programs.HELM])
    kubectl = [str(found["kubectl"]), f"--context={context}"]
    helm = [str(found["helm"]), f"--kube-context={context}"]
    view = step.run([*kubectl, "config", "view", "--minify", "-o", "json"], check=False)
    clusters = json.loads(view.stdout).get("clusters") if view.returncode == 0 and view.stdout else None
    if not clusters:
        raise step.fail(f"there is no context {context}", "See: kubectl config get-contexts")
    step.run([*kubectl, "--request-timeout=10s", "version"], remedy=f"Is the cluster of {context} running?")
    return Target(kubectl, helm, context), str(clusters[0]["cluster"]["server"])


def _deliver(
    step: Step, container_engine: Engine, context: str, registry: str, images: Sequence[Reference]
) -> None:
    """Make our images reachable for somebody else's cluster: into a kind cluster's nodes, or a registry."""
    names = [str(image) for image in images]
    if registry:
        for name in names:
            container_engine.docker(step, "tag", name, f"{registry}/{name}")
            container_engine.docker(step, "push", f"{registry}/{name}")
        return
    if not context.startswith("kind-"):
        raise step.fail(
            f"the cluster of {context} cannot see this machine's images",
            "Pass --registry with one that you may push to and the cluster may pull from.",
        )
    kind = programs.find(step, [programs.KIND])["kind"]
    step.run(
        [kind, "load", "docker-image", "--name", context.removeprefix("kind-"), *names],
        env=container_engine.environment,
    )


def _up_existing(progress: Progress, context: str, registry: str, yes: bool) -> tuple[Target, list[str]]:
    """Ask, build our images and deliver them; returns where to install, and the chart's values."""
    with progress.step("existing cluster") as step:
        target, server = _existing_context(step, context)
    if not _mark(context).exists():
        confirm(context, server, yes)
        _marks().mkdir(parents=True, exist_ok=True)
        _mark(context).write_text(json.dumps({"context": context, "server": server}))
    with progress.step("container engine") as step:
        container_engine = engine.ensure(step)
    with progress.step("our images") as step:
        images = appimages.build_all(step, container_engine)
    with progress.step("deliver images") as step:
        _deliver(step, container_engine, context, registry, list(images.values()))
    return target, helm_values(images, registry)


# -- a cluster of our own ---------------------------------------------------------------------------


def helm_values(images: Mapping[str, Reference], registry: str = "") -> list[str]:
    """The chart's values for our images."""
    prefix = f"{registry}/" if registry else ""
    return [
        f"--set-string=image.repository={prefix}{images['operator'].repository}",
        f"--set-string=image.tag={images['operator'].tag}",
        f"--set-string=componentImage.repository={prefix}{images['components'].repository}",
        f"--set-string=componentImage.tag={images['components'].tag}",
    ]


def _up_own(progress: Progress) -> tuple[Target, list[str]]:
    """Engine, cluster, images and addons; what is independent is done at the same time."""
    with progress.step("container engine") as step:
        container_engine = engine.ensure(step)

    def build_images() -> dict[str, Reference]:
        with progress.step("our images") as step:
            return appimages.build_all(step, container_engine)

    building = Background(build_images)
    cluster = bringup.ensure_cluster(progress, container_engine, CLUSTER)

    def install_addons() -> None:
        with progress.step("storage and metrics") as step:
            addons.ensure(step, cluster)

    installing = Background(install_addons)
    images = building.result()
    with progress.step("load images") as step:
        cluster.load(step, [str(image) for image in images.values()])
    installing.result()
    helm = [str(cluster.helm), f"--kubeconfig={cluster.kubeconfig}"]
    target = Target(cluster.kubectl_command, helm, cluster.context, cluster.environment())
    return target, helm_values(images)


# -- both -------------------------------------------------------------------------------------------


def _install(progress: Progress, target: Target, values: Sequence[str]) -> None:
    """Install or upgrade the operator as a person would."""
    with progress.step("operator") as step:
        command = [*target.helm, "upgrade", "--install", RELEASE, str(CHART), "--create-namespace", *values]
        waiting = [f"--namespace={OPERATOR_NAMESPACE}", "--wait", "--timeout=120s"]
        if step.run([*command, *waiting], check=False).returncode == 0:
            return
        # What the pods say is the reason more often than what helm says; it comes last, so it is shown.
        there = [*target.kubectl, "-n", OPERATOR_NAMESPACE]
        for arguments in (
            ["describe", "pods"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["get", "pods", "-o", "wide"],
            ["logs", f"deployment/{RELEASE}", "--tail=12"],
        ):
            step.run([*there, *arguments], check=False)
        raise step.fail("helm could not install it, or its pods do not get ready")


def _start(progress: Progress, target: Target) -> follow.Object:
    with progress.step("ALL-USE system") as step:
        step.run([*target.kubectl, "apply", "-f", str(SAMPLE)])
        return follow.until_ready(
            step, target.kubectl, SYSTEM_NAMESPACE, SYSTEM, _READY_SECONDS, progress.say
        )


def _farewell(progress: Progress, target: Target, status: follow.Object) -> None:
    """What there is to see, how long it took, and what to try next."""
    listing = subprocess.run(
        [*target.kubectl, "get", "allusesystems", "-A"], capture_output=True, text=True, check=False
    ).stdout
    own = not target.environment
    settings = "" if own else "\n".join(f"  export {k}={v}" for k, v in target.environment.items()) + "\n"
    kubectl = Path(target.kubectl[0])
    on_path = shutil.which("kubectl") == str(kubectl)
    if not own and not on_path:
        settings += f"  alias kubectl={kubectl}\n"
    option = f" --context {target.context}" if own else ""
    print(
        f"\n$ kubectl get allusesystems -A\n{listing}\n{follow.table(status)}\n\n"
        f"How long it took:\n{progress.summary()}\n\n"
        "Try next:\n"
        "  make chat          # talk to the agent\n"
        "  make workflows     # onboarding, trading, risk, optimisation, each step with its time\n"
        f"{settings}"
        f"  kubectl{option} describe allusesystem {SYSTEM} -n {SYSTEM_NAMESPACE}\n"
        f"  kubectl{option} top pods -n {SYSTEM_NAMESPACE}\n"
        f"  kubectl{option} delete deployment -n {SYSTEM_NAMESPACE} -l alluse.io/component=position-sizer"
        "   # it comes back\n"
        f"  kubectl{option} get events -n {SYSTEM_NAMESPACE} --watch\n"
        f"  kubectl{option} explain allusesystem.spec.components\n"
        f"  kubectl{option} apply -f manifests/samples/custom.yaml   # an application of one's own\n"
        f"  make demo-down{' CONTEXT=' + target.context if own else ''}",
        flush=True,
    )


def up(context: str, registry: str, yes: bool) -> int:
    """Bring the demo up; what is there already is used."""
    progress = Progress("demo")
    if context and context != f"kind-{CLUSTER}":
        target, values = _up_existing(progress, context, registry, yes)
    else:
        target, values = _up_own(progress)
    _install(progress, target, values)
    status = _start(progress, target)
    _farewell(progress, target, status)
    return 0


def _uninstall(step: Step, target: Target) -> None:
    """Remove the system, the release and what belongs to them from a cluster that stays."""
    step.run(
        [*target.kubectl, "delete", "--ignore-not-found", "--timeout=120s", "-f", str(SAMPLE)], check=False
    )
    step.run([*target.helm, "uninstall", RELEASE, "-n", OPERATOR_NAMESPACE, "--wait", "--ignore-not-found"])
    step.run([*target.kubectl, "delete", "crd", follow.RESOURCE, "--ignore-not-found", "--timeout=60s"])
    step.run(
        [*target.kubectl, "delete", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--timeout=120s"]
    )


def down(context: str, caches: bool, yes: bool) -> int:
    """Remove what `up` made, and only that."""
    progress = Progress("demo-down")
    if context and context != f"kind-{CLUSTER}":
        with progress.step(f"uninstall from {context}") as step:
            target, server = _existing_context(step, context)
            if not _mark(context).exists():
                confirm(context, server, yes)
            _uninstall(step, target)
            _mark(context).unlink(missing_ok=True)
        return 0
    with progress.step("cluster") as step:
        container_engine = engine.find(step)
        if CLUSTER in kindcluster.recorded():
            kindcluster.delete(step, container_engine, CLUSTER)
        else:
            step.note("there is none")
    others = kindcluster.recorded()
    with progress.step("container engine") as step:
        if others:
            step.note(f"stays, because it runs {', '.join(others)}")
        elif engine.remove(step):
            step.note("stopped and removed with all that it left")
        elif container_engine is not None:
            _remove_images(step, container_engine)
            step.note("it is this machine's own; only our images were removed")
        else:
            step.note("there is none")
    if caches:
        with progress.step("caches") as step:
            cache.remove_tree(paths.cache_root())
            step.note(f"{paths.cache_root()}; Go's own caches are Go's: go clean -cache -modcache")
    else:
        progress.say(
            f"\nThe caches stay ({paths.cache_root()}); `python3 -m tools.demo down --caches` removes them."
        )
    return 0


def _remove_images(step: Step, container_engine: Engine) -> None:
    """Remove our images from an engine that stays."""
    listing = container_engine.docker(step, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "alluse/*")
    names = [name for name in listing.split() if name.startswith("alluse/")]
    if names:
        container_engine.docker(step, "image", "rm", *names)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m tools.demo",
        description="Bring a cluster up, install the operator by Helm, start the ALL-USE system of 16 "
        "components and follow it. It uses what this machine has (engine, images that can be pulled, kind, "
        "kubectl, helm) and makes what is missing. It is safe to run again at any time.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    start = verbs.add_parser("up", help="make the cluster and start everything")
    start.add_argument("--registry", default="", help="where to push our images for an existing cluster")
    stop = verbs.add_parser("down", help="remove all that `up` made, and only that")
    stop.add_argument("--caches", action="store_true", help="also what is dear to build again")
    for verb in (start, stop):
        verb.add_argument("--context", default="", help="use this context of your kubeconfig instead")
        verb.add_argument("--yes", action="store_true", help="do not ask before touching a cluster of yours")
    return top


def main() -> int:
    """Run a verb."""
    arguments = parser().parse_args()
    if arguments.verb == "up":
        return main_guard(lambda: up(arguments.context, arguments.registry, arguments.yes))
    return main_guard(lambda: down(arguments.context, arguments.caches, arguments.yes))


if __name__ == "__main__":
    sys.exit(main())
