"""The sentence files: an intent in brackets, then one sentence a line; `#` begins a comment."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from alluse.schemas.intent import Intent

_HERE = Path(__file__).resolve().parent
EXAMPLES = _HERE / "examples.txt"
#: Judge and never train, each written before anybody looked at what the model makes of it.
HELD_OUT = tuple(_HERE / name for name in ("heldout.txt", "strangers.txt", "passersby.txt", "newcomers.txt"))


class Sentence(NamedTuple):
    text: str
    intent: Intent


def read(path: Path) -> list[Sentence]:
    """All sentences of a file in their order; raises ValueError for a line before any intent."""
    sentences: list[Sentence] = []
    intent: Intent | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("[") and text.endswith("]"):
            intent = Intent(text[1:-1])
        elif intent is None:
            raise ValueError(f"{path.name}:{number}: a sentence before the first [intent]")
        else:
            sentences.append(Sentence(text, intent))
    return sentences
