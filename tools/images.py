"""Build our two images, and give them to a cluster: python3 -m tools.images [--load CLUSTER] [IMAGE...]."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from tools.cluster import appimages, engine, kindcluster
from tools.cluster.appimages import Reference
from tools.cluster.kindcluster import KindCluster
from tools.cluster.steps import Progress, main_guard


@dataclass(frozen=True)
class Built:
    """The images of this tree."""

    operator: Reference
    components: Reference

    def helm_values(self) -> tuple[str, ...]:
        """The chart's values for them."""
        return (
            f"--set-string=image.repository={self.operator.repository}",
            f"--set-string=image.tag={self.operator.tag}",
            f"--set-string=componentImage.repository={self.components.repository}",
            f"--set-string=componentImage.tag={self.components.tag}",
        )


def build_and_load(cluster: KindCluster) -> Built:
    """Build both images from this tree if they are not there yet, and load them into the cluster."""
    progress = Progress("images")
    with progress.step("images") as step:
        built = appimages.build_all(step, cluster.engine)
    with progress.step("load images") as step:
        cluster.load(step, [str(reference) for reference in built.values()])
    return Built(built["operator"], built["components"])


def main() -> int:
    """Build, and load if asked to."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.images",
        description="Build our images, and print their full names. The tag tells the content: an unchanged "
        "tree gives the same tag, and nothing is built or loaded again.",
    )
    parser.add_argument("image", nargs="*", help=f"any of {', '.join(appimages.IMAGES)} (default: all)")
    parser.add_argument("--load", metavar="CLUSTER", help="a kind cluster of ours to load them into")
    arguments = parser.parse_args()
    unknown = set(arguments.image) - set(appimages.IMAGES)
    if unknown:
        parser.error(f"no image named {', '.join(sorted(unknown))}")

    def run() -> int:
        progress = Progress("images")
        with progress.step("container engine") as step:
            container_engine = engine.ensure(step)
        with progress.step("images") as step:
            built = appimages.build_all(step, container_engine, arguments.image or tuple(appimages.IMAGES))
        names = [str(reference) for reference in built.values()]
        if arguments.load is not None:
            with progress.step("load images") as step:
                cluster = kindcluster.existing(step, container_engine, arguments.load)
                if cluster is None:
                    raise step.fail(
                        f"there is no healthy cluster {arguments.load}",
                        f"Make it: python3 -m tools.cluster up --name {arguments.load}",
                    )
                cluster.load(step, names)
        print("\n".join(names))
        return 0

    return main_guard(run)


if __name__ == "__main__":
    sys.exit(main())
