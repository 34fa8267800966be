"""How good the detector is on the held-out sentences, as numbers and as a page of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio
from rapidfuzz.process import extractOne
from rapidfuzz.utils import default_process

from alluse.domain.intents import detect
from alluse.domain.intents_model import IntentModel
from alluse.schemas.intent import DetectContext, Intent, Method
from tools.language.sentences import Sentence

LEAST_MACRO_F1 = 0.90
#: A held-out sentence whose most similar example has less than this ratio of common letters is a new one.
_NEW_BELOW = 80.0


@dataclass(frozen=True, slots=True)
class Score:
    """Of one intent: how many sentences have it, how many are found, how many findings are right."""

    count: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    scores: dict[Intent, Score]
    #: (right intent, found intent) -> number of sentences, wrong ones only.
    confusion: Counter[tuple[Intent, Intent]]
    count: int
    by_rule: int
    rule_errors: int
    new_count: int
    new_errors: int

    @property
    def macro_f1(self) -> float:
        return sum(score.f1 for score in self.scores.values()) / len(self.scores)

    @property
    def accuracy(self) -> float:
        return 1 - self.confusion.total() / self.count


def evaluate(model: IntentModel, held_out: Sequence[Sentence], examples: Sequence[Sentence]) -> Evaluation:
    """Detect each held-out sentence without context and compare."""
    known = [default_process(text) for text, _ in examples]
    right: Counter[Intent] = Counter()
    found: Counter[Intent] = Counter()
    confusion: Counter[tuple[Intent, Intent]] = Counter()
    by_rule = rule_errors = new_count = new_errors = 0
    for text, intent in held_out:
        answer = detect(text, DetectContext(), model)
        wrong = answer.intent is not intent
        is_new = extractOne(default_process(text), known, scorer=ratio, score_cutoff=_NEW_BELOW) is None
        found[answer.intent] += 1
        right[intent] += not wrong
        if wrong:
            confusion[intent, answer.intent] += 1
        by_rule += answer.method is Method.RULE
        rule_errors += wrong and answer.method is Method.RULE
        new_count += is_new
        new_errors += wrong and is_new
    wanted = Counter(intent for _, intent in held_out)
    scores = {
        intent: Score(
            wanted[intent],
            right[intent] / found[intent] if found[intent] else 0.0,
            right[intent] / wanted[intent],
        )
        for intent in Intent
    }
    return Evaluation(scores, confusion, len(held_out), by_rule, rule_errors, new_count, new_errors)


def page(model: IntentModel, evaluation: Evaluation, examples: Sequence[Sentence], size: int) -> str:
    """The page docs/reference/language.md."""
    counts = Counter(intent for _, intent in examples)
    rows = [
        f"| {intent} | {counts[intent]} | {score.count} "
        f"| {score.precision:.2f} | {score.recall:.2f} | {score.f1:.2f} |"
        for intent, score in evaluation.scores.items()
    ]
    confused = [
        f"| {wanted} | {got} | {count} |"
        for (wanted, got), count in sorted(evaluation.confusion.items(), key=lambda item: (-item[1], item[0]))
    ]
    return "\n".join(
        [
            "# The language of the agent",
            "",
            "<!-- Written by `python -m tools.language train`; do not edit. -->",
            "",
            "intent-detector tells what a message wants: rules on whole words first, then a linear model "
            f"(logistic regression on hashed character and word n-grams, {size / 1024:.0f} KB). The model is "
            f"trained on the {sum(counts.values())} sentences of `tools/language/examples.txt` and judged on "
            f"the {evaluation.count} of `tools/language/heldout.txt`, which were written first and are never "
            "trained on. Whoever wrote the examples wrote the held-out sentences too, so expect less of "
            "sentences that neither file resembles.",
            "",
            "| | |",
            "|---|---|",
            f"| macro-F1, held out | **{evaluation.macro_f1:.3f}** "
            f"(the build refuses less than {LEAST_MACRO_F1:.2f}) |",
            f"| right, held out | {evaluation.accuracy:.3f} |",
            f"| right among the {evaluation.new_count} that resemble no example "
            f"(letter ratio below {_NEW_BELOW:.0f} %) "
            f"| {1 - evaluation.new_errors / max(1, evaluation.new_count):.3f} |",
            f"| decided by a rule | {evaluation.by_rule}, of which wrong {evaluation.rule_errors} |",
            f"| material of the model | `{model.material[:16]}` |",
            "",
            "| intent | examples | held out | precision | recall | F1 |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "## What is mistaken for what",
            "",
            "| meant | found | sentences |",
            "|---|---|---|",
            *confused,
            "",
            "## Teaching it",
            "",
            "Add sentences to `tools/language/examples.txt` (never one of the held-out file) and run "
            "`python -m tools.language train`, which makes the model and this page anew. "
            "`python -m tools.language --check` tells whether both are those of the examples, and with "
            "`--retrain` trains again to compare.",
            "",
        ]
    )
