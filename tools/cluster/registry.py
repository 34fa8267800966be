"""Whether an image can be had from its registry. Found out by pulling: a yes also brings the image."""

from __future__ import annotations

import os
import subprocess
import threading
import time

from tools.cluster.engine import Engine
from tools.cluster.steps import Step

#: Without the internet a pull can hang in timeouts. A registry that is there answers within this time.
_ANSWER_SECONDS = 15.0
_PULL_SECONDS = 900.0


def pull(step: Step, engine: Engine, image: str) -> bool:
    """Whether the engine has the image now, pulled if need be. Gives up soon if no registry answers."""
    if engine.has_image(step, image):
        return True
    step.write(f"$ docker pull {image}\n")
    process = subprocess.Popen(
        ["docker", "pull", image],
        env={**os.environ, **engine.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    answered = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                step.write(line)
                # Printed once the registry has told what the image consists of.
                if "Pulling from" in line or "Pulling fs layer" in line:
                    answered.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    started = time.monotonic()
    while process.poll() is None:
        limit = _PULL_SECONDS if answered.is_set() else _ANSWER_SECONDS
        if time.monotonic() - started > limit:
            step.write(f"no answer within {limit:.0f} s\n")
            process.kill()
            process.wait()
            reader.join(5)
            return False
        time.sleep(0.1)
    reader.join(5)
    return process.returncode == 0
