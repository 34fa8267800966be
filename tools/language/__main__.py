"""Train the model of intents, or check the one that is shipped.

python -m tools.language train             make the model and its report anew
python -m tools.language --check           is the shipped model that of the examples, and good enough?
python -m tools.language --check --retrain the same, and does training give it again?
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from alluse.domain.intents_model import IntentModel
from tools import apart, oracles
from tools.language.material import prepare
from tools.language.report import LEAST_MACRO_F1, Evaluation, evaluate, page
from tools.language.sentences import EXAMPLES, HELD_OUT, read

ROOT = apart.ROOT
MODEL = ROOT / "components" / "alluse" / "data" / "intents.npz"
PAGE = ROOT / "docs" / "reference" / "language.md"
#: The sum of weights may round the other way on another processor.
_STEP = 1


def train_to(path: Path) -> None:
    """Train in the environment of heavy libraries, with one thread so that sums keep their order."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    sources = os.pathsep.join((str(ROOT / "components"), str(ROOT)))
    subprocess.run(
        [oracles.prepare(), "-m", "tools.language.training", path],
        cwd=ROOT,
        env={**os.environ, **one, "PYTHONPATH": sources},
        check=True,
    )


def rendered(content: bytes) -> tuple[Mapping[str, Evaluation], str]:
    """What the model makes of each held-out file, by its name, and the page that tells it."""
    model = IntentModel.parse(content)
    examples = read(EXAMPLES)
    evaluations = {path.name: evaluate(model, read(path), examples) for path in HELD_OUT}
    return evaluations, page(model, evaluations, examples, len(content))


def too_low(evaluations: Mapping[str, Evaluation]) -> list[str]:
    return [
        f"macro-F1 {each.macro_f1:.3f} on {name} is below {LEAST_MACRO_F1}"
        for name, each in evaluations.items()
        if each.macro_f1 < LEAST_MACRO_F1
    ]


def train() -> int:
    train_to(MODEL)
    evaluations, text = rendered(MODEL.read_bytes())
    PAGE.write_text(text, encoding="utf-8")
    for name, each in evaluations.items():
        print(f"language: macro-F1 {each.macro_f1:.3f} on the {each.count} sentences of {name}")
    return int(bool(too_low(evaluations)))


def problems(*, retrain: bool) -> list[str]:
    """What is wrong with the shipped model and its report; empty when all is right."""
    content = MODEL.read_bytes()
    shipped = IntentModel.parse(content)
    found = []
    if shipped.material != prepare(read(EXAMPLES)).digest():
        found.append("the model was trained on other examples: run python -m tools.language train")
    evaluations, text = rendered(content)
    found += too_low(evaluations)
    if PAGE.read_text(encoding="utf-8") != text:
        found.append(
            f"{PAGE.relative_to(ROOT)} is not the report of this model: run python -m tools.language train"
        )
    if retrain:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "intents.npz"
            train_to(path)
            if not same(shipped, IntentModel.parse(path.read_bytes())):
                found.append("training gives another model than the one that is shipped")
    return found


def same(one: IntentModel, other: IntentModel) -> bool:
    """Whether two models are one, but for rounding in the last step of a weight."""
    return (
        (one.classes, one.known_words, one.lexicon, one.material)
        == (other.classes, other.known_words, other.lexicon, other.material)
        and np.array_equal(one.idf, other.idf)
        and np.allclose(one.scale, other.scale, rtol=0.01)
        and int(np.abs(one.weights.astype(int) - other.weights.astype(int)).max()) <= _STEP
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.language", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("train",))
    parser.add_argument("--check", action="store_true", help="check the shipped model and its report")
    parser.add_argument("--retrain", action="store_true", help="with --check, train again and compare")
    options = parser.parse_args()
    if options.action == "train" and not options.check:
        return train()
    if options.action or not options.check:
        parser.error("say either train or --check")
    found = problems(retrain=options.retrain)
    for problem in found:
        print(f"language: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
