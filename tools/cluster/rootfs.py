"""Root filesystems of Debian, made by mmdebstrap: what images stand on where none can be pulled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.cluster import cache, debian
from tools.cluster.steps import Step

#: bookworm: its Python is 3.11, and its systemd still speaks cgroup v1.
SUITE = "bookworm"
#: Documentation and translations have no reader in a container.
_LEAN = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def build(step: Step, name: str, packages: Sequence[str], variant: str, hooks: Sequence[str] = ()) -> Path:
    """The tar archive of a Debian root with some packages; `hooks` are shell commands with the root as $1."""

    def make(directory: Path) -> None:
        debian.install(step, ["mmdebstrap"])
        step.run(
            [
                "mmdebstrap",
                f"--variant={variant}",
                f"--include={','.join(packages)}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAN),
                *(f"--customize-hook={hook}" for hook in hooks),
                SUITE,
                str(directory / "root.tar"),
                # The machine's own Debian mirror, if it is of this suite; else mmdebstrap's default.
                *_mirror(),
            ],
            remedy="Debian's package archive must be reachable by apt.",
        )

    entry, built = cache.get_or_build(
        "rootfs", f"{name}-{cache.key(SUITE, variant, *packages, *hooks, *_LEAN)}", make, step.waiting
    )
    if built:
        step.note(f"made the {name} root filesystem")
    return entry / "root.tar"


def _mirror() -> list[str]:
    """The machine's source list, where it is for the suite that we want."""
    if _SOURCES.exists() and f"Suites: {SUITE}" in _SOURCES.read_text():
        return [str(_SOURCES)]
    return []
