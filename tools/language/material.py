"""What the model is trained on: the examples as the component reads them, and once more mistyped.

Needs no heavy library, so that every check can tell whether the shipped model is that of the examples.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from alluse.domain.intents_model import CHARACTER_BLOCK, FORMAT, WORD_BLOCK
from alluse.domain.intents_text import normalise
from alluse.schemas.intent import Intent
from tools.language.sentences import Sentence

#: Inverse strength of the regularisation, chosen by cross-validation on the examples.
STRENGTH = 60.0
#: Weight of a mistyped example beside that of the example itself.
MISTYPED_WEIGHT = 0.5
#: Weight of `unknown` beside each intent: more is said in the world than what is meant for an agent.
UNKNOWN_WEIGHT = 2.0
SEED = 20
#: Letters beside a letter on the keyboard.
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo",
    "j": "hk", "k": "jl", "l": "ko", "m": "nj", "n": "bm", "o": "ip", "p": "ol", "q": "wa", "r": "et",
    "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "xs",
}  # fmt: skip


class Example(NamedTuple):
    words: str
    intent: Intent
    weight: float


class Material(NamedTuple):
    """The examples as written come first, `originals` of them."""

    examples: list[Example]
    originals: int
    known_words: frozenset[str]
    lexicon: frozenset[str]

    def digest(self) -> str:
        """SHA-256 of all that the weights follow from."""
        facts = [FORMAT, CHARACTER_BLOCK, WORD_BLOCK, STRENGTH, UNKNOWN_WEIGHT, self.originals]
        facts += [sorted(self.known_words), sorted(self.lexicon)]
        return hashlib.sha256(json.dumps([facts, self.examples]).encode()).hexdigest()


def prepare(sentences: Sequence[Sentence]) -> Material:
    """The material of these sentences; the same sentences give the same."""
    known = frozenset(
        word for text, _ in sentences for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 2
    )
    chance = random.Random(SEED)  # noqa: S311
    written = [Example(normalise(text, known)[0], intent, 1.0) for text, intent in sentences]
    mistyped = [
        Example(normalise(mistype(text, chance), known)[0], intent, MISTYPED_WEIGHT)
        for text, intent in sentences
    ]
    return Material(written + mistyped, len(written), known, _lexicon(written))


def _lexicon(examples: Sequence[Example]) -> frozenset[str]:
    """Words that at least two examples of some intent use: with one, each example would know all of its own
    words, as no message of a stranger does."""
    used = Counter(
        word for each in examples if each.intent is not Intent.UNKNOWN for word in set(each.words.split())
    )
    return frozenset(word for word, count in used.items() if count > 1)


def mistype(text: str, chance: random.Random) -> str:
    """One typing error in one of the longer words, in two of a long sentence."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for place in chance.sample(places, min(len(places), 1 + (len(places) > 4))):
        word = words[place]
        at = chance.randrange(1, len(word) - 1)
        match chance.choice(("swap", "drop", "double", "neighbour")):
            case "swap":
                word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            case "drop":
                word = word[:at] + word[at + 1 :]
            case "double":
                word = word[:at] + word[at] + word[at:]
            case _:
                near = _NEIGHBOURS.get(word[at].lower(), word[at])
                word = word[:at] + chance.choice(near) + word[at + 1 :]
        words[place] = word
    return " ".join(words)
