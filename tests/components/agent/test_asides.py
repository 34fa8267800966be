"""What is said beside the matter: found whatever the intent, and nothing else taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.language.sentences import HELD_OUT, read

from alluse.domain import replies, replies_asides
from alluse.domain.asides import GLOSSARY, aside, term_of
from alluse.schemas.agent import MAX_REPLY, ResponseType
from alluse.schemas.intent import Intent
from alluse.schemas.protocol import Protocol

ASKED = (Intent.DRAWDOWN_HELP, Intent.CHECK_PERFORMANCE, Intent.RECOMMEND_TRADES, Intent.UNKNOWN)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Guarantee me 10% a month!", "no_promise"),
        ("can you promise profits?", "no_promise"),
        ("How much will I make this year?", "no_promise"),
        ("how much money can I earn with 50k", "no_promise"),
        ("will I get rich", "no_promise"),
        ("What's the expected return of this trade", "no_promise"),
        ("can you double my money", "no_promise"),
        ("what return can I expect", "no_promise"),
        ("how much profit would I see", "no_promise"),
        ("buy 10 AAPL puts now", "no_orders"),
        ("is this financial advice?", "no_orders"),
        ("is this real money?", "no_orders"),
        ("do you send orders to a broker", "no_orders"),
        ("buy 100 shares of AAPL", "no_orders"),
        ("place the order please", "no_orders"),
        ("Execute that trade", "no_orders"),
        ("delete my data", "your_data"),
        ("please forget everything about me", "your_data"),
        ("what do you know about me?", "your_data"),
        ("who are you?", "help"),
        ("are you a robot", "help"),
    ],
)
def test_found_whatever_the_intent(message: str, wanted: str) -> None:
    for intent in ASKED:
        assert aside(message, intent, has_amount=False, has_accounts=True) == wanted


@pytest.mark.parametrize(
    ("message", "has_amount", "wanted"),
    [
        ("withdraw 500 from Com-Acc", True, True),
        ("I want to transfer money to my Rev-Acc", False, True),
        ("please add 5,000 to Rev-Acc", True, True),
        ("add 5000 to rev-acc", False, True),
        ("can I withdraw 5,000 from Com-Acc", True, True),
        ("should I withdraw 500?", True, False),
        ("can I take money out of Com-Acc", False, False),
        ("how much should I add", False, False),
        ("add something to that", False, False),
    ],
)
def test_money_is_moved_by_the_ledger_alone(message: str, has_amount: bool, wanted: bool) -> None:
    found = aside(message, Intent.ACCOUNT_ADVICE, has_amount, has_accounts=True)
    assert (found is ResponseType.NOT_BOOKED_HERE) is wanted
    assert aside(message, Intent.ACCOUNT_ADVICE, has_amount, has_accounts=False) is None


@pytest.mark.parametrize("message", ["thanks", "Thank you so much!", "ok, bye", "No thanks", "great, got it"])
def test_courtesy_is_answered_only_where_nothing_is_asked(message: str) -> None:
    assert aside(message, Intent.UNKNOWN, has_amount=False, has_accounts=False) is ResponseType.COURTESY
    assert aside(message, Intent.STATUS, has_amount=False, has_accounts=False) is None


@pytest.mark.parametrize(
    ("message", "term"),
    [
        ("what's a delta?", "delta"),
        ("What does VaR mean", "value at risk"),
        ("explain implied volatility", "implied volatility"),
        ("define strike price", "strike"),
        ("what are LEAPS", "leaps"),
        ("what do you mean by 'surplus'?", "surplus"),
        ("what is rolling a put", "rolling"),
        ("what is the delta of AAPL", None),
        ("what is a banana", None),
        ("delta", None),
    ],
)
def test_terms_are_explained(message: str, term: str | None) -> None:
    assert term_of(message) == term
    found = aside(message, Intent.EXPLAIN_PROTOCOL, has_amount=False, has_accounts=False)
    assert (found is ResponseType.TERM) is (term is not None)


def test_no_ordinary_sentence_is_taken_for_an_aside() -> None:
    """Of all held-out requests: none is a promise, an order or a matter of data unless it says so."""
    for path in HELD_OUT:
        for text, intent in read(path):
            if intent in (Intent.UNKNOWN, Intent.EXPLAIN_PROTOCOL):
                continue
            found = aside(text, intent, has_amount="$" in text, has_accounts=True)
            assert found is None, (text, found)


@given(st.text(max_size=300), st.sampled_from(Intent), st.booleans(), st.booleans())
def test_any_text_is_taken(message: str, intent: Intent, has_amount: bool, has_accounts: bool) -> None:
    aside(message, intent, has_amount, has_accounts)


def test_answers_are_short_and_promise_nothing() -> None:
    answers = [
        replies_asides.courtesy(),
        replies_asides.no_promise(Protocol()),
        replies_asides.no_orders(),
        replies_asides.not_booked_here([], 0.0),
        replies_asides.your_data("u" * 64),
        *map(replies_asides.term, GLOSSARY),
        replies.suggestions(),
        *(replies.suggestions((intent,)) for intent in Intent),
    ]
    for text in answers:
        assert 0 < len(text) <= MAX_REPLY
        assert "!" not in text
    assert "No return is promised" in replies_asides.no_promise(Protocol())


def test_asking_back_names_what_is_near() -> None:
    assert "When does an account fork?" in replies.suggestions((Intent.EXPLAIN_FORKING,))
    assert "Did you mean" not in replies.suggestions()
