"""What a message asks for: the sentences of the workflows, rules, context, typing errors, any Unicode."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.utils import default_process
from tools.language import __main__ as build
from tools.language.material import prepare
from tools.language.report import LEAST_MACRO_F1
from tools.language.sentences import EXAMPLES, HELD_OUT, Sentence, read

from alluse.domain.intents import LEAST_CONFIDENCE, boosted, detect
from alluse.domain.intents_catalog import CATALOG
from alluse.domain.intents_model import SIZE, IntentModel, UnreadableModelError
from alluse.domain.intents_phrases import HINTS, PART, WHOLE
from alluse.domain.intents_text import normalise
from alluse.schemas.intent import DetectAnswer, DetectContext, Intent, Method
from alluse.services.language_model import intent_model

MODEL = intent_model()
NOTHING = DetectContext()


def ask(text: str, context: DetectContext = NOTHING) -> DetectAnswer:
    return detect(text, context, MODEL)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        # Onboarding
        ("Hello, new to ALL-USE, want to get started", "greeting"),
        ("Hello, I'm new to ALL-USE and want to get started", "greeting"),
        ("I want to set up my trading accounts", "setup_accounts"),
        ("I'm moderately aggressive with a $50,000 account", "provide_profile"),
        ("What should I trade this week?", "recommend_trades"),
        ("How can I track my performance?", "check_performance"),
        # A trading decision, risk
        ("What should I trade on SPY with a $50,000 account?", "recommend_trades"),
        ("My portfolio is down 10%, what should I do?", "drawdown_help"),
        # Ten users at once
        ("market today?", "market_outlook"),
        ("Hello, how is the market today?", "market_outlook"),
        ("trade SPY options, what do you recommend", "recommend_trades"),
        ("I want to trade SPY options, what do you recommend?", "recommend_trades"),
        ("down 5 %, worried?", "drawdown_help"),
        ("My portfolio is down 5%, should I be worried?", "drawdown_help"),
        ("best delta now?", "select_delta"),
        ("What's the best delta for current market conditions?", "select_delta"),
        ("size positions for $100k", "size_position"),
        ("How should I size my positions for a $100k account?", "size_position"),
        ("analyze risk in my portfolio", "assess_risk"),
        ("Can you analyze the risk in my portfolio?", "assess_risk"),
        ("trading opportunities this week", "recommend_trades"),
        ("What are the best trading opportunities this week?", "recommend_trades"),
        ("new to options, help me get started", "help"),
        ("I'm new to options trading, can you help me get started?", "help"),
        ("adjust positions on recent volatility?", "adjust_positions"),
        ("Should I adjust my positions based on recent volatility?", "adjust_positions"),
        ("recommendation for account management", "account_advice"),
        ("What's your recommendation for account management?", "account_advice"),
    ],
)
def test_the_sentences_of_the_workflows(text: str, intent: str) -> None:
    answer = ask(text)
    assert (answer.intent, answer.confidence >= 0.5) == (intent, True)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        (text, intent) for intent, (_, examples) in CATALOG.items() for text in examples
    ],
)  # fmt: skip
def test_the_published_examples(text: str, intent: Intent) -> None:
    assert ask(text).intent is intent


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("GREEN", "week_green"),
        ("chop!", "week_chop"),
        ("this", "unknown"),
        ("the thing with the third", "unknown"),
        ("whta shuold i trde tihs week", "recommend_trades"),
        ("reccomend a trade plz", "recommend_trades"),
        ("hwo many contrcats", "size_position"),
        ("perfomance", "check_performance"),
        ("portfolo risk", "assess_risk"),
        ("hepl", "help"),
        ("rienvest", "reinvest"),
        ("ＨＥＬＬＯ", "greeting"),
        ("What\u2019s my risk?", "assess_risk"),
        ("hel\u200blo", "greeting"),
        ("Hi, how many TSLA puts can I sell with 80k?", "size_position"),
        ("my laptop is down, what should I do?", "unknown"),
        ("what's the weather like", "unknown"),
        ("don't fork, just explain what a fork is", "explain_forking"),
        ("80k", "provide_profile"),
        ("🙂🙂🙂", "unknown"),
        ("что мне делать", "unknown"),
        ("\ud800", "unknown"),
        ("   ", "unknown"),
    ],
)
def test_words_typing_errors_and_what_is_no_request(text: str, intent: str) -> None:
    assert ask(text).intent == intent


def test_a_greeting_before_a_question_is_secondary() -> None:
    answer = ask("Hello, how is the market today?")
    assert (answer.intent, Intent.GREETING in answer.secondary) == (Intent.MARKET_OUTLOOK, True)
    assert Intent.SETUP_ACCOUNTS in ask("new to options, help me get started").secondary
    assert ask("Good morning").secondary == []


def test_several_rules_leave_the_others_as_secondary() -> None:
    answer = ask("My portfolio is down 10% and how many contracts can I sell?")
    assert {answer.intent, *answer.secondary} >= {Intent.DRAWDOWN_HELP, Intent.SIZE_POSITION}
    assert answer.method is Method.RULE


def test_what_nobody_understands_names_its_candidates() -> None:
    answer = ask("purple bananas sing quietly")
    assert (answer.intent, answer.method) == (Intent.UNKNOWN, Method.MODEL)
    assert answer.alternatives[0].confidence == answer.confidence
    assert len(answer.alternatives) == 3


EVEN = dict.fromkeys(Intent, 1 / len(Intent))


@pytest.mark.parametrize(
    ("context", "intent", "factor"),
    [
        (DetectContext(has_accounts=False), Intent.SETUP_ACCOUNTS, 1.5),
        (DetectContext(has_accounts=True, week_classified=False), Intent.CLASSIFY_WEEK, 1.3),
        (DetectContext(has_accounts=True, week_classified=True), Intent.RECOMMEND_TRADES, 1.2),
    ],
)
def test_context_makes_one_intent_likelier(context: DetectContext, intent: Intent, factor: float) -> None:
    scores = boosted(EVEN, context, [])
    assert sum(scores.values()) == pytest.approx(1)
    assert scores[intent] / scores[Intent.HELP] == pytest.approx(factor)
    assert sorted(scores.values())[-2] == scores[Intent.HELP]


def test_an_answer_to_a_question_for_capital_is_a_profile() -> None:
    asked = DetectContext(has_accounts=False, last_intent=Intent.SETUP_ACCOUNTS)
    assert ask("well, let's say something like 80k then", asked).intent is Intent.PROVIDE_PROFILE
    assert boosted(EVEN, NOTHING, []) == pytest.approx(EVEN)


PIECES = st.sampled_from(
    [
        "hello",
        "i",
        "am",
        "new",
        "think",
        "green",
        "down",
        "10%",
        "how",
        "many",
        "contracts",
        "my",
        "account",
        "fork",
        "it",
        "what",
        "is",
        "the",
        "delta",
        "explain",
        "roll",
        "$50k",
        "reinvest",
        "moderately",
        "aggressive",
        "please",
        "week",
        "TSLA",
        "\u200b",
        "�",
        "ß",
        "İ",
        "'",
        "’",
        "🙂",
        "٣",
    ]
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map(" ".join)))
@example("")
@example("'")
def test_any_text_has_an_answer(text: str) -> None:
    answer = ask(text, DetectContext(has_accounts=True, week_classified=True))
    assert 0 <= answer.confidence <= 1
    others = [each.intent for each in answer.alternatives]
    assert answer.intent not in others
    assert Intent.UNKNOWN not in (*others, *answer.secondary)
    assert len(set(others)) == len(others) <= 3
    if answer.intent is not Intent.UNKNOWN:
        assert answer.confidence >= LEAST_CONFIDENCE
    assert DetectAnswer.model_validate_json(answer.model_dump_json()) == answer


@pytest.mark.parametrize(
    "piece",
    ["i think ", "hello ", "my account is down ", "what is the ", "how many a b ", "fork ", "a", "week is ", "qwert yuiop "],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 2000)[:2000]
    started = time.process_time()
    ask(text)
    assert time.process_time() - started < 0.5


def test_names_and_numbers_are_read_as_what_they_are() -> None:
    words, found = normalise("What's the delta for TSLA's Gen-Acc with $50k, down 5 %?", MODEL.known_words)
    assert words == "what is the delta for symbolx genaccount with amountx down percentx"
    assert len(found) == 4


def held_out() -> list[Sentence]:
    return [sentence for path in HELD_OUT for sentence in read(path)]


def test_every_whole_rule_is_alive() -> None:
    """Each pattern decides at least one sentence of the examples or a bare word; none is dead."""
    sentences = {normalise(text, MODEL.known_words)[0] for text, _ in (*read(EXAMPLES), *held_out())}
    dead = [rule.pattern for _, rule in WHOLE if not any(rule.fullmatch(words) for words in sentences)]
    assert dead == []


def test_no_rule_can_read_the_same_words_in_two_ways() -> None:
    """A repeated group with an alternative twice, or one that begins another, takes exponential time."""
    for intent, rule in (*WHOLE, *PART, *HINTS):
        for group in re.finditer(r"\(\?:([^()]*)\) ?\)?[*+]", rule.pattern):
            ways = [way.strip() for way in group[1].split("|") if way.strip()]
            assert len(set(ways)) == len(ways), (intent, group[0])
            assert not [way for way in ways if way.split()[0] in ways and " " in way], (intent, group[0])


# -- the model and how it was made -----------------------------------------------------------------


def test_the_model_is_that_of_the_examples_and_good_enough() -> None:
    assert build.problems(retrain=False) == []


def test_the_examples_suffice_and_the_held_out_sentences_are_not_among_them() -> None:
    examples = read(EXAMPLES)
    for intent in Intent:
        assert sum(each.intent is intent for each in examples) >= 40
        for path in HELD_OUT:
            assert sum(each.intent is intent for each in read(path)) >= 5
    plain = [default_process(text) or text for text, _ in examples]
    assert len(set(plain)) == len(plain)
    assert not set(plain) & {default_process(text) or text for text, _ in held_out()}
    assert LEAST_MACRO_F1 >= 0.90


def test_material_is_the_same_each_time() -> None:
    sentences = read(EXAMPLES)[:40]
    assert prepare(sentences).digest() == prepare(sentences).digest()
    assert prepare(sentences).digest() != prepare(sentences[1:]).digest()


def test_a_model_file_is_read_back_or_refused() -> None:
    content = MODEL.to_bytes()
    assert len(content) < 1_000_000
    again = IntentModel.parse(content)
    assert again.to_bytes() == content
    assert again.weights.shape == (SIZE, len(MODEL.classes))
    for broken in (b"", b"no model", content[:1000], content[:-30]):
        with pytest.raises(UnreadableModelError):
            IntentModel.parse(broken)
