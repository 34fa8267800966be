"""The packages whose data are shipped: fetched by name, pinned by hash, opened as archives.

Nothing of them is installed. The wheels are asked for by the tags of one platform, so that every machine
gets the same file.
"""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel, what of it is used and under which terms."""

    name: str
    version: str
    sha256: str
    licence: str
    licence_file: str
    content: str


PACKAGES = (
    Package(
        name="skfolio",
        version="1.12.2",
        sha256="2d324c62a4188dc0b62a713f8d5cea177e208a5b45987e3d3f204dd56d3a669b",
        licence="BSD-3-Clause",
        licence_file="skfolio-1.12.2.dist-info/licenses/LICENSE",
        content="adjusted daily closes of 20 stocks of the S&P 500, the index and five factor funds",
    ),
    Package(
        name="hvsampledata",
        version="0.1.5",
        sha256="a1edf660cc98422e0bb1e291163c4e895a018d755e8dea3885f2f86ed97276de",
        licence="BSD-3-Clause",
        licence_file="hvsampledata-0.1.5.dist-info/licenses/LICENSE.txt",
        content="daily bars of AAPL with volume and adjusted close",
    ),
    Package(
        name="arch",
        version="8.0.0",
        sha256="975ec3bdf7926335742ac362251fafe32b448b8f194dead062f22a00beef772d",
        licence="NCSA",
        licence_file="arch-8.0.0.dist-info/licenses/LICENSE.md",
        content="daily bars of the S&P 500 and the NASDAQ Composite, daily closes of the VIX",
    ),
)

_PLATFORM = (
    "--only-binary=:all:",
    "--platform=manylinux2014_x86_64",
    "--implementation=cp",
    "--python-version=3.11",
    "--abi=cp311",
    "--abi=none",
)


class FetchError(RuntimeError):
    """A wheel could not be had, or is not the pinned one."""


def fetch(directory: Path) -> dict[str, zipfile.ZipFile]:
    """The wheels by package name; those already in `directory` are not fetched again.

    Raises FetchError when pip fails or a digest differs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missing = [package for package in PACKAGES if _find(directory, package) is None]
    if missing:
        pins = directory / "pins.txt"
        lines = (f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n" for package in missing)
        pins.write_text("".join(lines))
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--require-hashes", *_PLATFORM, "--dest", str(directory), "--requirement", str(pins)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise FetchError(f"pip could not fetch the wheels:\n{finished.stderr.strip()}")
    wheels = {}
    for package in PACKAGES:
        path = _find(directory, package)
        if path is None:
            raise FetchError(f"{package.name} {package.version}: no wheel with the pinned digest was fetched")
        wheels[package.name] = zipfile.ZipFile(path)
    return wheels


def _find(directory: Path, package: Package) -> Path | None:
    for path in directory.glob(f"{package.name}-{package.version}-*.whl"):
        if hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256:
            return path
    return None
