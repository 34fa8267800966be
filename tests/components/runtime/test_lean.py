"""What a component's process does without. Each case is a process of its own: imports cannot be taken back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alluse.runtime import spare

COMPONENTS_ROOT = Path(__file__).parents[3] / "components"
UNUSED = ("ssl", "_ssl", "_hashlib", "email", "zipfile", "csv", "lzma", "importlib.resources", "shutil")


def said_by(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(COMPONENTS_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("component", "used"),
    [
        ("alert-manager", set()),
        ("enhanced-agent", set()),
        # numpy takes the file functions along, and the market data are a zip.
        ("market-analyzer", {"shutil", "zipfile", "lzma"}),
    ],
)
def test_what_nobody_uses_is_not_imported(component: str, used: set[str]) -> None:
    said = said_by(
        "import alluse.__main__, alluse.runtime.server, sys\n"
        "from alluse.contract import COMPONENTS\n"
        "from alluse.runtime.loading import load_service\n"
        f"load_service(COMPONENTS[{component!r}])\n"
        f"import json; print(json.dumps([name for name in {UNUSED} if sys.modules.get(name)]))"
    )
    assert set(json.loads(said)) == used


def test_what_is_kept_out_can_still_be_had() -> None:
    said = said_by(
        "import alluse.runtime.lean\n"
        "import asyncio, hashlib, hmac, importlib.metadata, ssl\n"
        "from importlib.metadata import entry_points, version\n"
        "ssl.create_default_context()\n"
        "hmac.new(b'k', b'm', hashlib.sha256).hexdigest()\n"
        "entry_points(group='pydantic')\n"
        "print(version('h11'), hashlib.sha256(b'').hexdigest()[:8])"
    )
    assert said == "0.16.0 e3b0c442"


def test_free_memory_is_given_back() -> None:
    """Small pieces beneath one that stays would be kept for ever."""
    said = said_by(
        "from alluse.runtime import spare\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "pieces = [bytes(4000) for _ in range(10_000)]\n"
        "last = bytes(4000)\n"
        "del pieces\n"
        "before = resident()\n"
        "spare.give_back()\n"
        "print(before - resident() > 30_000_000)"
    )
    assert said == "True"
    spare.give_back()
