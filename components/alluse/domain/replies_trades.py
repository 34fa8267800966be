"""Texts about markets, deltas, sizes and trades."""

from collections.abc import Mapping, Sequence

from alluse.domain.decisions_trades import Guard, Idea, Slot, weekday_name
from alluse.domain.replies import SIMULATION, day, fit, fit_lines, listed, numbered, percent, usd
from alluse.schemas.common import Condition
from alluse.schemas.delta import SelectAnswer
from alluse.schemas.market import IvSource, MarketAnalysis, Quality
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Blocked, SizeAnswer

_BLOCKS = {
    Blocked.NO_PRICE: "there is no price",
    Blocked.NO_VOLATILITY: "there is no volatility",
    Blocked.NO_FORECAST: "there is no volatility forecast",
    Blocked.CHOP_WEEK: "a Chop week opens no new Gen-Acc position",
    Blocked.DRAWDOWN_PROTECTION: "drawdown protection allows nothing new",
    Blocked.DRAWDOWN_LIMIT: "the account has fallen to its drawdown limit",
    Blocked.NO_EDGE: "the premium does not pay for the risk (no edge)",
    Blocked.POSITION_CAP: "the position limit is used up",
    Blocked.EXPOSURE_CAP: "the exposure limit is used up",
    Blocked.NOTIONAL_CAP: "the limit on the shares behind the contracts is too small",
    Blocked.SECTOR_CAP: "the sector limit is used up",
    Blocked.CORRELATED_CAP: "the limit for correlated positions is used up",
    Blocked.CASH: "there is no free cash above the buffer",
    Blocked.USER_CAP: "your own limit is too small",
    Blocked.MIN_TICKET: "too little capital is allowed",
}


def block_reason(sized: SizeAnswer) -> str:
    return _BLOCKS[sized.blocked_by] if sized.blocked_by else "the size is zero"


def _volatility(analysis: MarketAnalysis) -> str:
    found = analysis.volatility_analysis
    if found is None:
        return "volatility unknown"
    mark = "*" if found.iv_source is IvSource.SYNTHETIC else ""
    return f"volatility {percent(found.implied_volatility)} a year{mark}"


def assumptions(ideas: Sequence[Idea]) -> str:
    """What the figures rest on: assumed volatilities, synthetic prices."""
    analyses = [idea.question.analysis for idea in ideas]
    notes = []
    if any(
        each.volatility_analysis is not None and each.volatility_analysis.iv_source is IvSource.SYNTHETIC
        for each in analyses
    ):
        notes.append("* implied volatility assumed from the forecast: so is the edge.")
    synthetic = sorted({each.symbol for each in analyses if each.data.synthetic})
    if synthetic:
        notes.append(f"{listed(synthetic)} prices are synthetic.")
    return " ".join(notes)


def _head(slot: Slot) -> str:
    if slot.balance is None:
        return slot.account_type.display
    return f"{slot.account_type.display} ({usd(slot.balance)})"


def idea_line(idea: Idea, guard: Guard, protocol: Protocol, technical: bool = False) -> str:
    """One account: the option with all its inputs, then the size or why there is none; `technical` adds what
    the size was computed from."""
    question, selected, sized = idea.question, idea.selected, idea.sized
    analysis = question.analysis
    strike = f"strike {usd(selected.strike)}" if selected.strike else "no strike"
    price = sized.option.premium if sized and sized.option else selected.theoretical_price
    premium = f", premium {usd(price)} a share" if price is not None else ""
    condition = question.condition.value if question.condition else "unclassified"
    if question.condition is not analysis.market_condition and analysis.market_condition is not None:
        condition = f"{condition} by you, {analysis.market_condition.value} by the data"
    text = (
        f"{_head(question.slot)}: {analysis.symbol} {selected.option_type.value}, {condition} "
        f"({day(analysis.as_of)}), {_volatility(analysis)}, delta {selected.selected_delta:.2f}, {strike}, "
        f"expiry {day(question.expiry)}{premium}, entry {weekday_name(question.entry)[:3]} "
        f"{day(question.entry)}."
    )
    if guard.stop is not None:
        return f"{text} No new entry: {guard.stop}."
    if sized is None:
        return text
    text = f"{text} {_size(sized, question.condition, protocol)}"
    if not technical:
        return text
    return " ".join(each for each in (text, _steps(selected), _kelly(sized) if sized.kelly else "") if each)


def _steps(selected: SelectAnswer) -> str:
    """From the middle of the band to the delta, rule by rule."""
    moved = [
        f"{each.name.replace('_', ' ')} {each.delta_points / 100:+.2f}"
        for each in selected.adjustments
        if each.delta_points
    ]
    held = f", held at the {selected.clamped_by.replace('_', ' ')}" if selected.clamped_by else ""
    return f"Delta from {selected.base_delta:.2f}: {listed(moved) if moved else 'nothing moves it'}{held}."


def _kelly(sized: SizeAnswer) -> str:
    assert sized.kelly is not None
    return (
        f"Edge {percent(sized.kelly.edge, 2)} of the capital tied up, growth-optimal share "
        f"{percent(sized.kelly.f_star)}, used {percent(sized.kelly.used_fraction)}."
    )


def _size(sized: SizeAnswer, condition: Condition | None, protocol: Protocol) -> str:
    factor = protocol.size.week_exposure[condition] if condition else 1.0
    week = f", week factor {factor:.2f}"
    if sized.contracts:
        noun = "contract" if sized.contracts == 1 else "contracts"
        return (
            f"{sized.contracts} {noun}: capital {usd(sized.capital_used)}, premium "
            f"{usd(sized.premium_total)}, maximum loss {usd(sized.max_loss)}{week}."
        )
    one = f"; one ties up {usd(sized.capital_per_contract)}" if sized.capital_per_contract else ""
    fits = f", it fits from {usd(sized.smallest_balance)} on" if sized.smallest_balance else ""
    return f"No contract fits: {block_reason(sized)}{one}{fits}{week}."


def trades_text(
    ideas: Sequence[Idea],
    guards: Sequence[Guard],
    protocol: Protocol,
    missing: Mapping[str, str],
    notes: Sequence[str],
    setup_needed: bool,
    technical: bool = False,
) -> str:
    """The trades that the rules select, one line for each account."""
    if not ideas:
        return fit([no_data(missing), SIMULATION])
    lines = [idea_line(idea, guard, protocol, technical) for idea, guard in zip(ideas, guards, strict=True)]
    traded = any(
        idea.sized is not None and idea.sized.contracts and not guard.stop
        for idea, guard in zip(ideas, guards, strict=True)
    )
    if setup_needed:
        ahead = "Next step: name an amount to set up accounts; only then there is a size."
    elif traded:
        ahead = "Next step: compare with quotes; no order is sent."
    else:
        ahead = "Next step: another week, or a larger balance."
    opening = (
        "The rules recommend this option trade:"
        if len(lines) == 1
        else "The rules recommend these option trades:"
    )
    if setup_needed:
        opening = "To recommend a size I need accounts. The rules would select these option trades:"
    elif not traded:
        opening = "The rules select these option trades, and size them to zero:"
    if ideas[0].question.slot.supposed and not setup_needed:
        total = sum(idea.question.slot.balance or 0.0 for idea in ideas)
        opening = f"Supposing accounts of {usd(total)} in all. {opening}"
    closing = " ".join(
        each for each in (ahead, *notes, _gaps(missing), assumptions(ideas), SIMULATION) if each
    )
    return fit_lines(opening, numbered(lines), closing)


def _gaps(missing: Mapping[str, str]) -> str:
    return f"Left out: {listed(f'{symbol} ({why})' for symbol, why in missing.items())}." if missing else ""


def no_data(missing: Mapping[str, str]) -> str:
    return f"I have no prices to compute from, so I name nothing. {_gaps(missing)}".strip()


def delta_text(
    ideas: Sequence[Idea], protocol: Protocol, missing: Mapping[str, str], notes: Sequence[str]
) -> str:
    """The delta of each account, without sizes."""
    if not ideas:
        return fit([no_data(missing), SIMULATION])
    lines = [idea_line(idea, Guard(), protocol) for idea in ideas]
    closing = " ".join(each for each in (*notes, _gaps(missing), assumptions(ideas), SIMULATION) if each)
    opening = "The rule selects this delta:" if len(lines) == 1 else "The rule selects these deltas:"
    return fit_lines(opening, numbered(lines), closing)


def analysis_line(analysis: MarketAnalysis) -> str:
    if analysis.quality is not Quality.OK or analysis.market_condition is None or analysis.trend is None:
        return f"{analysis.symbol}: too few data to classify."
    return (
        f"{analysis.symbol}: {analysis.market_condition.value} on {day(analysis.as_of)}, close "
        f"{usd(analysis.current_price)}, trend {analysis.trend.direction.value} "
        f"({analysis.trend.strength.value.lower()}), {_volatility(analysis)}."
    )


def market_text(analyses: Sequence[MarketAnalysis], missing: Mapping[str, str]) -> str:
    if not analyses:
        return fit([no_data(missing), SIMULATION])
    conditions = [each.market_condition for each in analyses if each.market_condition]
    counted = listed(f"{conditions.count(kind)} {kind.value}" for kind in Condition)
    notes = [
        _drawn(analyses).strip(),
        "* implied volatility assumed from the forecast, not quoted."
        if any(_assumed(each) for each in analyses)
        else "",
        _gaps(missing),
        "The class describes the data of that day; it is no forecast.",
        SIMULATION,
    ]
    return fit_lines(
        f"The market by its symbols: {counted}." if len(analyses) > 1 else "The data say:",
        numbered([analysis_line(each) for each in analyses]),
        " ".join(note for note in notes if note),
        more="symbol",
    )


def _assumed(analysis: MarketAnalysis) -> bool:
    found = analysis.volatility_analysis
    return found is not None and found.iv_source is IvSource.SYNTHETIC


def week_from_data(analyses: Sequence[MarketAnalysis], missing: Mapping[str, str]) -> str:
    conditions = [each.market_condition for each in analyses if each.market_condition]
    if not conditions:
        return fit([no_data(missing), SIMULATION])
    most = max(Condition, key=lambda kind: (conditions.count(kind), kind is Condition.CHOP))
    found = listed(
        f"{each.symbol} {each.market_condition.value}" for each in analyses if each.market_condition
    )
    return fit(
        [
            f"The data say {most.value}: {found}. {_last_days(analyses)}{_drawn(analyses)}",
            "Each trade uses the class of its own symbol. If you see the week otherwise, tell me: it is "
            "green, red or chop.",
            SIMULATION,
        ]
    )


def _last_days(analyses: Sequence[MarketAnalysis]) -> str:
    """The day of the data; of each group of symbols where they differ."""
    days = sorted({each.as_of for each in analyses if each.as_of}, reverse=True)
    if len(days) == 1:
        return f"The last day is {day(days[0])}."
    groups = (
        f"{day(each)} for {listed(other.symbol for other in analyses if other.as_of == each)}"
        for each in days
    )
    return f"The last day is {listed(groups)}."


def _drawn(analyses: Sequence[MarketAnalysis]) -> str:
    synthetic = sorted({each.symbol for each in analyses if each.data.synthetic})
    return f" Prices of {listed(synthetic)} are synthetic." if synthetic else ""


def adjustments_text(
    analyses: Sequence[MarketAnalysis], protocol: Protocol, missing: Mapping[str, str]
) -> str:
    """The rule for positions that the price moves against, with the range of each symbol."""
    atr = protocol.atr
    ranges = [
        f"{each.symbol}: average true range {usd(each.volatility_analysis.atr_14)} on {day(each.as_of)}, so "
        f"watch from {usd(each.volatility_analysis.atr_14 * atr.watch)} and act above "
        f"{usd(each.volatility_analysis.atr_14 * atr.act)} of adverse move."
        for each in analyses
        if each.volatility_analysis is not None and each.volatility_analysis.atr_14
    ]
    without = [
        each.symbol
        for each in analyses
        if each.volatility_analysis is None or not each.volatility_analysis.atr_14
    ]
    unknown = "I keep no positions: compare these ranges with the move since you entered yours."
    closed = f"No range for {listed(without)}: their data have closes only." if without else ""
    return fit_lines(
        f"The adjustment rule measures an adverse move in average true ranges (14 days): {atr.watch:g} to "
        f"{atr.consider:g} watch, {atr.consider:g} to {atr.act:g} consider, above {atr.act:g} act. Puts: "
        "roll out, then down, else close. Calls: roll out, lower the delta.",
        ranges[:4],
        " ".join(
            each for each in (closed, _gaps(missing), _drawn(analyses).strip(), unknown, SIMULATION) if each
        ),
        more="symbol",
    )
