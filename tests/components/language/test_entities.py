"""What is read from a message, by table and by property. The day of all tables is Tuesday, 2024-06-18."""

import time
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alluse.data import market_data
from alluse.domain.entities import extract, find
from alluse.domain.entities_names import STOP_WORDS, SYMBOLS
from alluse.schemas.protocol import Protocol

TUESDAY = date(2024, 6, 18)


def read(text: str, field: str) -> Any:
    return getattr(extract(text, TUESDAY), field)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("$50,000", [50_000]),
        ("50k", [50_000]),
        ("50 K", [50_000]),
        ("1.5m", [1_500_000]),
        ("$2 million", [2_000_000]),
        ("250 dollars", [250]),
        ("USD 300000", [300_000]),
        ("usd300000", [300_000]),
        ("US$ 5", [5]),
        ("$300000", [300_000]),
        ("$1,234.56 exactly", [1_234.56]),
        ("two hundred thousand", [200_000]),
        ("two hundred and fifty thousand dollars", [250_000]),
        ("half a million", [500_000]),
        ("a quarter of a million", [250_000]),
        ("two and a half million", [2_500_000]),
        ("two point five million", [2_500_000]),
        ("a hundred grand", [100_000]),
        ("I want to invest 80000", [80_000]),
        ("invest 2000 of my savings", [2_000]),
        ("80000", [80_000]),
        ("50-60k to start", [50_000, 60_000]),
        ("between $50k and $60k", [50_000, 60_000]),
        ("$50.000", [50_000]),
        ("50 000 dollars", [50_000]),
        ("50'000 USD", [50_000]),
        ("what should I trade on SPY with a $50,000 account?", [50_000]),
        ("size positions for $100k", [100_000]),
        ("it fell from 50k to 43k", [50_000, 43_000]),
        ("ＵＳＤ ５０ｋ", [50_000]),
        ("٥٠k", [50_000]),
        # No amounts of money:
        ("my 401k", []),
        ("my 401(k) and the 10-k", []),
        ("the 10k filing", []),
        ("€50,000", []),
        ("50,000 euros", []),
        ("since 2024 my account grew", []),
        ("account number 123456", []),
        ("5,000 shares in my portfolio", []),
        ("the strike of $450", []),
        ("a $450 strike", []),
        ("12 apples", []),
        ("I have 3 accounts", []),
        ("$999999999999999999", []),
    ],
)
def test_amounts(text: str, amounts: list[float]) -> None:
    assert read(text, "amounts") == amounts
    assert read(text, "amount") == (amounts[0] if amounts else None)


@pytest.mark.parametrize(
    ("text", "percentages"),
    [
        ("10%", [0.10]),
        ("10 percent", [0.10]),
        ("ten per cent", [0.10]),
        ("down 5 %", [-0.05]),
        ("lost ten percent", [-0.10]),
        ("My portfolio is down 10%, what should I do?", [-0.10]),
        ("I've lost 12 %, now what?", [-0.12]),
        ("12% drawdown", [-0.12]),
        ("6 % lower", [-0.06]),
        ("in the red by 12%", [-0.12]),
        ("-5%", [-0.05]),
        ("+3 %", [0.03]),
        ("up 3% and down 2%", [0.03, -0.02]),
        ("gained 4%, then lost 1%", [0.04, -0.01]),
        ("5-10%", [0.05, 0.10]),
        ("50 bps", [0.005]),
        ("buy back at 70% profit", [0.70]),
        ("10", []),
    ],
)
def test_percentages(text: str, percentages: list[float]) -> None:
    assert read(text, "percentages") == percentages


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("30-40 delta", [(0.3, 0.4)]),
        ("delta 30 to 40", [(0.3, 0.4)]),
        ("delta between 40 and 30", [(0.3, 0.4)]),
        ("delta of 0.3-0.4", [(0.3, 0.4)]),
        (".35 delta", [(0.35, 0.35)]),
        ("delta 0.35", [(0.35, 0.35)]),
        ("a 45-delta put", [(0.45, 0.45)]),
        ("-0.30 delta", [(0.3, 0.3)]),
        ("30% delta", [(0.3, 0.3)]),
        ("30 delta or 40 delta", [(0.3, 0.3), (0.4, 0.4)]),
        ("delta 7 dte", []),
        ("delta for 50k", []),
        ("450 delta", []),
        ("which delta?", []),
    ],
)
def test_deltas(text: str, ranges: list[tuple[float, float]]) -> None:
    assert read(text, "delta_ranges") == ranges
    assert read(text, "amounts") == ([50_000] if "50k" in text else [])


@pytest.mark.parametrize(
    ("text", "accounts"),
    [
        ("gen-acc, gen acc and generation account", ["GEN_ACC"]),
        ("GEN_ACC", ["GEN_ACC"]),
        ("my Gen", ["GEN_ACC"]),
        ("Rev-Acc", ["REV_ACC"]),
        ("the revenue account", ["REV_ACC"]),
        ("compounding account", ["COM_ACC"]),
        ("Gen, Rev and Com", ["GEN_ACC", "REV_ACC", "COM_ACC"]),
        ("from Com to Gen", ["COM_ACC", "GEN_ACC"]),
        ("see example.com", []),
        ("my next generation", []),
        ("the account", []),
    ],
)
def test_accounts(text: str, accounts: list[str]) -> None:
    assert read(text, "account_types") == accounts


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("trade SPY", ["SPY"]),
        ("trade on spy and tsla", ["SPY", "TSLA"]),
        ("$AAPL and $ko", ["AAPL", "KO"]),
        ("KO but not ko", ["KO"]),
        ("Apple's puts, Tesla calls", ["AAPL", "TSLA"]),
        ("AAPL's chart, AAPL again", ["AAPL"]),
        ("Home Depot or the S&P 500", ["HD", "SP500"]),
        ("I USE IT ON ALL", []),
        ("$ALL", []),
        ("$COIN", ["COIN"]),
        ("the best buy now", []),
        ("position size", []),
        ("two apples", []),
        ("mail me at spy@example.org", []),
    ],
)
def test_symbols(text: str, symbols: list[str]) -> None:
    assert read(text, "stock_symbols") == symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("a put on IBM", ["IBM"]),
        ("sell puts on ibm?", ["IBM"]),
        ("should I buy calls on GME?", ["GME"]),
        ("IBM puts please", ["IBM"]),
        ("how is INTC doing", ["INTC"]),
        ("what about ORCL's puts", ["ORCL"]),
        ("recommend trades for AAPL and IBM", ["AAPL", "IBM"]),
        ("SPY, QQQ and DIA this week?", ["SPY", "QQQ", "DIA"]),
        ("size 3 contracts of IBM", ["IBM"]),
        ("puts on hold", []),
        ("a call on it, please", []),
        ("calls on fri", []),
        ("what is the VAR of my accounts", []),
        ("tell me about the FED", []),
        ("my GEN and REV accounts", []),
        ("is VIX high", []),
        ("PUTS ON THEM NOW", []),
        ("I want to BUY NOW", []),
        ("should I use an IRA or ROTH", []),
    ],
)
def test_symbols_that_nobody_knows_are_read_where_only_a_name_can_stand(
    text: str, symbols: list[str]
) -> None:
    assert extract(text, TUESDAY).stock_symbols == symbols


def test_symbols_of_data_and_protocol_are_known() -> None:
    assert set(market_data().symbols) <= SYMBOLS
    assert set(Protocol().sectors) <= SYMBOLS
    assert not SYMBOLS & STOP_WORDS


def test_further_symbols_come_from_the_configuration() -> None:
    assert extract("trade shop", TUESDAY).stock_symbols == []
    assert extract("trade shop", TUESDAY, more_symbols=["SHOP"]).stock_symbols == ["SHOP"]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("it's a green week", "week_type", "Green"),
        ("RED", "week_type", "Red"),
        ("choppy", "week_type", "Chop"),
        ("in the red by 12%", "week_type", None),
        ("give it the green light", "week_type", None),
        ("I'm moderately aggressive", "risk_level", "moderately_aggressive"),
        ("fairly aggressive", "risk_level", "moderately_aggressive"),
        ("I'm rather careful with money", "risk_level", "conservative"),
        ("conservative", "risk_level", "conservative"),
        ("medium risk, 80k to start", "risk_level", "moderate"),
        ("80k, medium", "risk_level", "moderate"),
        ("balanced", "risk_level", "moderate"),
        ("aggresive", "risk_level", "aggressive"),
        ("high risk", "risk_level", "aggressive"),
        ("not too risky please", "risk_level", "conservative"),
        ("is a 45 delta too aggressive?", "risk_level", None),
        ("moderate volatility", "risk_level", None),
        ("should I roll my put", "option_type", "put"),
        ("covered calls on AAPL", "option_type", "call"),
        ("an AAPL put", "option_type", "put"),
        ("I'd like to put in 120k", "option_type", None),
        ("I'd call it chop", "option_type", None),
        ("call my mother", "option_type", None),
        ("3 contracts", "contracts", 3),
        ("sell two puts", "contracts", 2),
        ("5 more contracts of AAPL", "contracts", 5),
        ("TSLA 450 puts", "contracts", None),
        ("a 30 delta put", "contracts", None),
        ("7 dte", "dte", 7),
        ("a 14-day put", "dte", 14),
        ("expiring in two weeks", "dte", 14),
        ("10 days to expiration", "dte", 10),
        ("0dte", "dte", 0),
        ("in 7 days", "dte", None),
    ],
)  # fmt: skip
def test_other_fields(text: str, field: str, value: object) -> None:
    assert read(text, field) == value


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("today", ["2024-06-18"]),
        ("the day after tomorrow", ["2024-06-20"]),
        ("Thursday", ["2024-06-20"]),
        ("next Thursday", ["2024-06-20"]),
        ("this Tuesday", ["2024-06-18"]),
        ("next Tuesday", ["2024-06-25"]),
        ("last Friday", ["2024-06-14"]),
        ("Monday next week", ["2024-06-24"]),
        ("in 7 days", ["2024-06-25"]),
        ("in two weeks", ["2024-07-02"]),
        ("in a month", ["2024-07-18"]),
        ("3 days ago", ["2024-06-15"]),
        ("2024-06-21", ["2024-06-21"]),
        ("on March 14, 2025", ["2025-03-14"]),
        ("the 4th of July", ["2024-07-04"]),
        ("14 Jan", ["2024-01-14"]),
        ("3/14/2025", ["2025-03-14"]),
        ("21/6", ["2024-06-21"]),
        ("end of September", ["2024-09-30"]),
        ("quarter end", ["2024-06-30"]),
        ("2024-02-31", []),
        ("February 30", []),
        ("in 99999999 years", []),
        ("I may buy", []),
    ],
)  # fmt: skip
def test_dates(text: str, dates: list[str]) -> None:
    assert [day.isoformat() for day in read(text, "dates")] == dates


def test_the_locale_orders_day_and_month() -> None:
    assert extract("3/4/2025", TUESDAY).dates == [date(2025, 3, 4)]
    assert extract("3/4/2025", TUESDAY, day_first=True).dates == [date(2025, 4, 3)]


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("weekly income", ["P1W"]),
        ("quarterly", ["P3M"]),
        ("annually", ["P1Y"]),
        ("every month", ["P1M"]),
        ("for 30 days", ["P30D"]),
        ("two quarters", ["P6M"]),
        ("this week", ["2024-06-17/2024-06-23"]),
        ("next week", ["2024-06-24/2024-06-30"]),
        ("last month", ["2024-05-01/2024-05-31"]),
        ("this quarter", ["2024-04-01/2024-06-30"]),
        ("last 30 days", ["2024-05-19/2024-06-18"]),
        ("year to date", ["2024-01-01/2024-06-18"]),
        ("ytd", ["2024-01-01/2024-06-18"]),
        ("since March", ["2024-03-01/2024-06-18"]),
        ("since Monday", ["2024-06-17/2024-06-18"]),
        ("in Q2 2023", ["2023-04-01/2023-06-30"]),
        ("in 2023", ["2023-01-01/2023-12-31"]),
    ],
)
def test_periods(text: str, periods: list[str]) -> None:
    assert read(text, "time_periods") == periods


def test_spans_are_those_of_the_text_as_sent() -> None:
    answer = extract("ﬁne – ‘Apple’ with\u00a0$50k", TUESDAY)
    assert [(each.text, each.start) for each in answer.entities] == [("Apple", 7), ("$50k", 19)]


# -- properties ------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "down",
        "up",
        "lost",
        "$",
        "50",
        "k",
        "%",
        "delta",
        "30",
        "-",
        "to",
        "of",
        "and",
        "put",
        "calls",
        "Gen",
        "Rev",
        "Com",
        "red",
        "week",
        "next",
        "Thursday",
        "in",
        "a",
        "the",
        "1,000",
        ".5",
        "million",
        "two",
        "hundred",
        "days",
        "dte",
        "expiry",
        "March",
        "3/14",
        "2024-01-02",
        "AAPL",
        "Apple",
        "since",
        "Q2",
        "2024",
        "end",
        "quarter",
        "401k",
        "risk",
        "low",
        "٣",
        "ｋ",
        "İ",
        "ß",
        "\u200b",
        "�",
        "🙂",
    ]
)


@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join)), st.dates())
@example("$" * 2000, date.max)
@example("last year next year in 9 years", date.min)
@example("next year in 9 years end of the quarter", date.max)
def test_any_text_on_any_day_gives_spans_that_lie_in_it(text: str, today: date) -> None:
    answer = extract(text, today)
    place = 0
    for entity in answer.entities:
        assert place <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.text
        place = entity.end


@given(
    cents=st.integers(1, 10**12).map(lambda value: value / 100),
    form=st.sampled_from(["${:,.2f}", "${:.2f}", "USD {:,.2f}", "{:,.2f} dollars", "$ {:,.2f}", "{:.2f} usd"]),
    frame=st.sampled_from(
        ["{}", "I have {} to invest.", "my account ({}) is new", "start with {}!", "SPY with {}, 30 delta, down 5%?"]
    ),
)  # fmt: skip
def test_amounts_of_sentences_come_back(cents: float, form: str, frame: str) -> None:
    assert extract(frame.format(form.format(cents)), TUESDAY).amounts == [cents]


@given(st.integers(1, 999), st.sampled_from([("k", 1e3), ("m", 1e6), (" thousand", 1e3), (" million", 1e6)]))
def test_scaled_amounts_come_back(count: int, scale: tuple[str, float]) -> None:
    assert extract(f"open with {count}{scale[0]}", TUESDAY).amount == count * scale[1]


@given(st.integers(1, 99), st.sampled_from(["down {}%", "lost {} %", "a {}% loss", "fell by {} percent"]))
def test_falls_are_negative(points: int, form: str) -> None:
    assert extract(form.format(points), TUESDAY).percentages == [round(-points / 100, 8)]


@pytest.mark.parametrize(
    "piece", ["a", "1", "1,", "$ ", "one ", "1 000 ", "red ", "% 5 ", "delta 30 to ", "gen,", "1-", "may 1 "]
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 2000)[:2000]
    started = time.process_time()
    find(text, TUESDAY)
    assert time.process_time() - started < 0.5
