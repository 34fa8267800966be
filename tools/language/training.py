"""Trains the model of intents with scikit-learn, in the environment of heavy libraries (tools.oracles).

The features are those that the component computes itself (alluse.domain.intents_model).
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from alluse.domain.intents import LEAST_CONFIDENCE
from alluse.domain.intents_model import SIZE, STRANGE_START, IntentModel, grams, weighted
from alluse.domain.intents_text import normalise
from alluse.schemas.intent import Intent
from tools.language.material import SEED, STRENGTH, UNKNOWN_WEIGHT, Material, prepare
from tools.language.sentences import EXAMPLES, Sentence, read

_CHOICES = (10.0, 30.0, 60.0)
_FOLDS = 5


def train(material: Material, strength: float = STRENGTH) -> IntentModel:
    """The model of this material; the same material gives the same model."""
    counts = [grams(example.words, material.lexicon) for example in material.examples]
    idf = _idf(counts[: material.originals])
    classes = sorted({example.intent for example in material.examples})
    labels = np.array([classes.index(example.intent) for example in material.examples])
    regression = LogisticRegression(C=strength, max_iter=3000, tol=1e-6, class_weight="balanced")
    shares = np.array(
        [
            example.weight * (UNKNOWN_WEIGHT if example.intent is Intent.UNKNOWN else 1.0)
            for example in material.examples
        ]
    )
    regression.fit(_matrix(counts, idf), labels, sample_weight=shares)
    weights, scale = _quantised(regression.coef_.T)
    return IntentModel(
        classes=tuple(classes),
        known_words=material.known_words,
        lexicon=material.lexicon,
        idf=idf,
        weights=weights,
        scale=scale,
        bias=regression.intercept_.astype(np.float32),
        material=material.digest(),
    )


def _idf(counts: Sequence[Counter[int]]) -> NDArray[np.float32]:
    """Smoothed inverse document frequency, as it is after a trip through 16 bits."""
    documents = np.zeros(SIZE)
    for each in counts:
        documents[list(each)] += 1
    idf = np.log((1 + len(counts)) / (1 + documents)) + 1
    idf[STRANGE_START:] = 1
    return idf.astype(np.float16).astype(np.float32)


def _matrix(counts: Sequence[Counter[int]], idf: NDArray[np.float32]) -> csr_matrix:
    rows = [weighted(each, idf) for each in counts]
    ends = np.cumsum([0] + [len(places) for places, _ in rows])
    places = np.concatenate([places for places, _ in rows])
    values = np.concatenate([values for _, values in rows]).astype(np.float64)
    return csr_matrix((values, places, ends), shape=(len(counts), SIZE))


def _quantised(weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = (np.abs(weights).max(axis=0) / 127).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale


def cross_validate(sentences: Sequence[Sentence], strength: float) -> tuple[float, float]:
    """Share of right answers of the model alone, and of right and confident ones, over the folds."""
    shuffled = random.Random(SEED).sample(sentences, len(sentences))  # noqa: S311
    right = sure = 0
    for learn, judge in KFold(_FOLDS).split(shuffled):
        model = train(prepare([shuffled[place] for place in learn]), strength)
        for place in judge:
            text, intent = shuffled[place]
            scores = model.probabilities(normalise(text, model.known_words)[0])
            best = max(scores, key=lambda each: scores[each])
            right += best is intent
            sure += best is intent and (scores[best] >= LEAST_CONFIDENCE or intent is Intent.UNKNOWN)
    return right / len(sentences), sure / len(sentences)


def main() -> int:
    """With a path, write the model there; with `--choose`, compare strengths of regularisation."""
    sentences = read(EXAMPLES)
    if sys.argv[1] == "--choose":
        for strength in _CHOICES:
            accuracy, sure = cross_validate(sentences, strength)
            print(f"strength {strength:g}: right {accuracy:.4f}, right and confident {sure:.4f}", flush=True)
        return 0
    Path(sys.argv[1]).write_bytes(train(prepare(sentences)).to_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
