"""The linear model of intents: hashed TF-IDF of character 2-5-grams and word 1-2-grams, and how many words
are none of this trade, then a logistic regression. Training is a build step (tools.language); here is only
what an answer needs.

A feature is the CRC-32 of its n-gram, modulo the size of its block. Each block has Euclidean length 1, so
that long and short messages weigh the same. Weights are shipped as 8-bit numbers, with one scale a class.
"""

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alluse.schemas.intent import Intent

FORMAT: Final = 2
CHARACTER_BLOCK: Final = 1 << 14
WORD_BLOCK: Final = 1 << 13
#: How many words of a message are strange here, and which share of them; see `_strangeness`.
STRANGE_BLOCK: Final = 16
STRANGE_START: Final = CHARACTER_BLOCK + WORD_BLOCK
SIZE: Final = STRANGE_START + STRANGE_BLOCK
_MOST_COUNTED: Final = 4
_SHARES: Final = 5
_SHORTEST, _LONGEST = 2, 5


class UnreadableModelError(ValueError):
    """The file is no model of this version."""


def grams(text: str, lexicon: Collection[str]) -> Counter[int]:
    """Number of times each feature occurs in normalised words; `lexicon` holds the words of this trade."""
    found: Counter[int] = Counter()
    words = text.split()
    for word in words:
        padded = f" {word} "
        for length in range(_SHORTEST, _LONGEST + 1):
            for start in range(max(1, len(padded) - length + 1)):
                found[_hash(padded[start : start + length]) % CHARACTER_BLOCK] += 1
    for place, word in enumerate(words):
        found[CHARACTER_BLOCK + _hash(word) % WORD_BLOCK] += 1
        following = words[place + 1] if place + 1 < len(words) else "\x03"
        found[CHARACTER_BLOCK + _hash(f"{word} {following}") % WORD_BLOCK] += 1
    if words:
        found[CHARACTER_BLOCK + _hash(f"\x02 {words[0]}") % WORD_BLOCK] += 1
    for place in _strangeness(words, lexicon):
        found[STRANGE_START + place] += 1
    return found


def _strangeness(words: list[str], lexicon: Collection[str]) -> tuple[int, int]:
    """Two places of the last block: the number of words outside the lexicon (0 to 4 or more), and their
    share in fifths, 0 and all apart; no words at all have a place of their own."""
    if not words:
        return 0, _MOST_COUNTED + 1
    strange = sum(word not in lexicon for word in words)
    if strange in (0, len(words)):
        share = 0 if strange == 0 else _SHARES + 1
    else:
        share = 1 + strange * _SHARES // len(words)
    return min(strange, _MOST_COUNTED), _MOST_COUNTED + 2 + share


def _hash(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass"))


def weighted(
    counts: Mapping[int, int], idf: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Features and their TF-IDF values: (1 + ln count) x idf, each block of length 1."""
    places = np.fromiter(counts.keys(), np.int64, len(counts))
    values = np.fromiter(counts.values(), np.float32, len(counts))
    values = (1 + np.log(values)) * idf[places]
    words = (places >= CHARACTER_BLOCK) & (places < STRANGE_START)
    for block in (places < CHARACTER_BLOCK, words, places >= STRANGE_START):
        length = float(np.sqrt(np.sum(values[block] ** 2)))
        if length > 0:
            values[block] /= length
    return places, values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class IntentModel:
    """`weights` is (SIZE, classes) in 8 bits, `scale` and `bias` one number a class, `material` the digest of
    what it was trained on."""

    classes: tuple[Intent, ...]
    known_words: frozenset[str]
    lexicon: frozenset[str]
    idf: NDArray[np.float32]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    material: str

    @classmethod
    def parse(cls, content: bytes) -> "IntentModel":
        """Read what `to_bytes` wrote; raises UnreadableModelError for anything else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                if int(file["format"]) != FORMAT:
                    raise UnreadableModelError(f"format {int(file['format'])}, want {FORMAT}")
                model = cls(
                    tuple(Intent(name) for name in str(file["classes"]).split()),
                    frozenset(str(file["words"]).split()),
                    frozenset(str(file["lexicon"]).split()),
                    file["idf"].astype(np.float32),
                    file["weights"],
                    file["scale"],
                    file["bias"],
                    str(file["material"]),
                )
        except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise UnreadableModelError(f"no intent model: {error}") from error
        count = len(model.classes)
        if model.weights.shape != (SIZE, count) or model.idf.shape != (SIZE,):
            raise UnreadableModelError(f"weights of shape {model.weights.shape}, want {(SIZE, count)}")
        return model

    def to_bytes(self) -> bytes:
        """The same bytes for the same model."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            format=np.array(FORMAT),
            classes=np.array(" ".join(self.classes)),
            words=np.array(" ".join(sorted(self.known_words))),
            lexicon=np.array(" ".join(sorted(self.lexicon))),
            idf=self.idf.astype(np.float16),
            weights=self.weights,
            scale=self.scale,
            bias=self.bias,
            material=np.array(self.material),
        )
        return file.getvalue()

    def probabilities(self, words: str) -> dict[Intent, float]:
        """Probability of each class for a normalised message; they sum to 1."""
        places, values = weighted(grams(words, self.lexicon), self.idf)
        logits = (values @ self.weights[places].astype(np.float32)) * self.scale + self.bias
        powers = np.exp(logits - logits.max())
        return dict(zip(self.classes, (powers / powers.sum()).tolist(), strict=True))
