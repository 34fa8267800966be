"""Our two images: the operator, and the components. Tagged by their content.

A tag that says what is inside cannot be stale: a changed source gives a new tag, the new tag a new pod,
and an unchanged one is neither built nor loaded again.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import cache, paths, registry, rootfs
from tools.cluster.engine import Engine
from tools.cluster.pip import pip
from tools.cluster.steps import Step

STOCK_BASE = "python:3.11-slim"
_PYTHON_PACKAGES = ("ca-certificates", "libgcc-s1", "libstdc++6", "python3", "tzdata")
_PYTHON_HOOKS = ("rm -rf $1/var/cache/apt/* $1/var/lib/apt/lists/* $1/var/log/*.log",)
_PIP = paths.REPOSITORY / "images" / "pip.txt"
#: What the base images' C library (glibc 2.36) can load, newest first.
_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_PLATFORMS_OLD = ("manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1")


@dataclass(frozen=True)
class Reference:
    """The full name of a built image."""

    repository: str
    tag: str

    def __str__(self) -> str:
        """As docker, kubectl and a manifest write it."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True)
class AppImage:
    """An image of ours: its recipe, its locked requirements, and the sources that it copies."""

    name: str
    requirements: str
    sources: Sequence[str]

    @property
    def repository(self) -> str:
        """The image's name without a tag."""
        return f"alluse/{self.name}"

    @property
    def dockerfile(self) -> Path:
        """Its recipe."""
        return paths.REPOSITORY / "images" / self.name / "Dockerfile"


IMAGES = {
    image.name: image
    for image in (
        AppImage(
            "operator",
            "requirements/operator.txt",
            (
                "operator/alluse_operator",
                "components/alluse/__init__.py",
                "components/alluse/contract.py",
            ),
        ),
        AppImage("components", "requirements/components.txt", ("components/alluse",)),
    )
}


def project_version() -> str:
    """The version in pyproject.toml."""
    project = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def base(step: Step, engine: Engine) -> str:
    """The image that ours stand on: the stock one where it can be had, else one made of Debian's Python."""
    if registry.pull(step, engine, STOCK_BASE):
        step.note(f"on {STOCK_BASE}")
        return STOCK_BASE
    archive = rootfs.build(step, "python", _PYTHON_PACKAGES, "essential", _PYTHON_HOOKS)
    name = f"alluse/python-base:{archive.parent.name.rsplit('-', 1)[1]}"
    if not engine.has_image(step, name):
        engine.docker(step, "import", archive, name)
    step.note(f"{STOCK_BASE} cannot be pulled, so on Debian's Python")
    return name


def _wheels(step: Step, requirements: Path) -> Path:
    """The directory of the locked wheels, downloaded for the images' Python and not for this machine's."""
    machine = platform.machine()
    platforms = [*_PLATFORMS, *(_PLATFORMS_OLD if machine == "x86_64" else ())]

    def download(directory: Path) -> None:
        for file in (requirements, _PIP):
            pip(
                step,
                [
                    "download",
                    "--no-deps",
                    "--require-hashes",
                    "--only-binary=:all:",
                    "--implementation=cp",
                    "--python-version=3.11",
                    *(f"--platform={name}_{machine}" for name in platforms),
                    f"--dest={directory}",
                    f"--requirement={file}",
                ],
            )

    key = cache.key(requirements, _PIP, machine, *platforms)
    return cache.get_or_build("wheels", key, download, step.waiting)[0]


def reference(image: AppImage, base_name: str, root: Path = paths.REPOSITORY) -> Reference:
    """The full name of an image: its tag is the project's version and a key of all that goes into it."""
    parts = [image.dockerfile, root / image.requirements, _PIP, *(root / source for source in image.sources)]
    return Reference(image.repository, f"{project_version()}-{cache.key(base_name, *parts)[:12]}")


def _stage(image: AppImage, wheels: Path, context: Path) -> None:
    """Lay out a build context with the same paths as the repository, and only what the recipe copies."""
    shutil.copytree(wheels, context / "wheels", copy_function=shutil.copyfile)
    for source in (image.requirements, *image.sources):
        origin, target = paths.REPOSITORY / source, context / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copyfile(origin, target)


def _build_environment(engine: Engine) -> dict[str, str]:
    """Use the classic builder where the newer one is not there."""
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    return (
        engine.environment
        if buildx.returncode == 0 and not engine.ours
        else {
            **engine.environment,
            "DOCKER_BUILDKIT": "0",
        }
    )


def build(step: Step, engine: Engine, image: AppImage, base_name: str) -> Reference:
    """The full name of an image, built if the engine does not have it."""
    if engine.has_image(step, str(name := reference(image, base_name))):
        step.note(f"{name} is there")
        return name
    with cache.lock(f"image-{image.name}", step.waiting):
        wheels = _wheels(step, paths.REPOSITORY / image.requirements)
        with cache.scratch(f"context-{image.name}") as context:
            _stage(image, wheels, context)
            # Named by what was staged: the sources may have changed since the first look.
            name = reference(image, base_name, context)
            step.run(
                [
                    "docker",
                    "build",
                    "--network=none",
                    f"--build-arg=BASE={base_name}",
                    f"--file={image.dockerfile}",
                    f"--tag={name}",
                    f"--label=org.opencontainers.image.version={project_version()}",
                    str(context),
                ],
                env=_build_environment(engine),
            )
    step.note(f"built {name}")
    return name


def build_all(step: Step, engine: Engine, names: Sequence[str] = tuple(IMAGES)) -> dict[str, Reference]:
    """Both images (or those named), by their short name."""
    base_name = base(step, engine)
    return {name: build(step, engine, IMAGES[name], base_name) for name in names}
