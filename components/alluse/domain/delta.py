"""Which option an account sells: the delta by the rules, its strike, price and prospects.

The delta starts at the middle of the account's band, the rules move it, the bounds hold it; its strike
follows exactly by Black, Scholes and Merton, or is the nearest listed one that does not exceed it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from math import log2

from alluse.domain import options
from alluse.domain.chain import choose_listed
from alluse.domain.delta_rules import POINTS, Bounds, Facts, adjust, find_bounds
from alluse.domain.errors import InvalidInputError
from alluse.domain.inputs import symbol_of, usable_volatility
from alluse.schemas.common import OptionType, RiskLevel, TrendStrength
from alluse.schemas.delta import (
    Adjustment,
    Alternative,
    ClampedBy,
    DeltaRange,
    ExpectedMetrics,
    RangeName,
    RiskAssessment,
    SelectAnswer,
    SelectBatchAnswer,
    SelectRequest,
)
from alluse.schemas.market import Direction, PercentileOf
from alluse.schemas.protocol import Protocol

#: Ranges of delta, each with the risk it carries; a delta belongs to the first whose end it does not pass.
RANGES = (
    (DeltaRange(name=RangeName.CONSERVATIVE, low=0.15, high=0.25), RiskLevel.LOW),
    (DeltaRange(name=RangeName.MODERATE, low=0.25, high=0.35), RiskLevel.MEDIUM),
    (DeltaRange(name=RangeName.AGGRESSIVE, low=0.35, high=0.50), RiskLevel.HIGH),
    (DeltaRange(name=RangeName.VERY_AGGRESSIVE, low=0.50, high=0.70), RiskLevel.CRITICAL),
)
MAX_DAYS = 730
#: Neighbours of the selected delta that are shown beside it, in delta points.
_ALTERNATIVES = (-10, -5, 5)


def select(request: SelectRequest, protocol: Protocol) -> SelectAnswer:
    """Select delta and strike. Raises InvalidInputError where the request contradicts itself."""
    facts = read_facts(request)
    symbol = symbol_of(request.symbol, request.market_analysis)
    band = protocol.account(request.account_type).delta_band
    base = round(band.middle * POINTS)
    adjustments = adjust(facts)
    raw = base + sum(adjustment.delta_points for adjustment in adjustments)
    bounds = find_bounds(request.account_type, symbol, protocol)
    points, clamped_by = bounds.clamp(raw)
    delta = points / POINTS
    warnings = _gaps(facts)
    strike, price = price_at(facts, delta, request.r, request.q)
    listed, priced = None, facts
    if request.chain is not None:
        if facts.spot is None:
            raise InvalidInputError("spot", "a chain cannot be read without the price of the underlying")
        listed = choose_listed(
            request.chain, facts.kind, delta, facts.spot, facts.years, request.r, request.q
        )
        strike = price = None
        if listed is None:
            warnings.append(f"no listed strike has a delta of at most {delta:.2f}: none is selected")
        else:
            strike, price, priced = listed.strike, listed.mid, replace(facts, implied=listed.iv)
    return SelectAnswer(
        account_type=request.account_type,
        symbol=symbol,
        option_type=facts.kind,
        selected_delta=delta,
        signed_delta=-delta if facts.kind is OptionType.PUT else delta,
        delta_range=_range(delta)[0],
        base_delta=base / POINTS,
        adjustments=adjustments,
        raw_delta=raw / POINTS,
        clamped_by=clamped_by,
        outside_band=not band.low <= delta <= band.high,
        dte=facts.days,
        expiry=None if facts.as_of is None else facts.as_of + timedelta(days=facts.days),
        strike=strike,
        theoretical_price=price,
        premium_yield=None if price is None or strike is None else price / strike,
        listed=listed,
        expected_metrics=None if strike is None else expect(priced, strike, request.r, request.q),
        risk_assessment=assess_risk(facts, delta, request.r, request.q),
        alternatives=_alternatives(facts, points, bounds, request),
        rationale=_explain(base, adjustments, raw, points, clamped_by),
        warnings=warnings,
    )


def select_batch(requests: Sequence[SelectRequest], protocol: Protocol) -> SelectBatchAnswer:
    """Select for each request and describe the whole: spread over the ranges and mean risk.

    Raises InvalidInputError naming the first request that cannot be answered.
    """
    results = []
    for place, request in enumerate(requests):
        try:
            results.append(select(request, protocol))
        except InvalidInputError as error:
            raise InvalidInputError(f"requests.{place}.{error.field}", error.message) from error
    counts = Counter(result.delta_range.name for result in results)
    shares = [count / len(results) for count in counts.values()]
    ranks = {entry.name: rank for rank, (entry, _) in enumerate(RANGES, start=1)}
    entropy = -sum(share * log2(share) for share in shares)
    return SelectBatchAnswer(
        results=results,
        distribution={name: counts[name] for name in RangeName},
        diversification=min(max(entropy / log2(len(RANGES)), 0.0), 1.0),
        mean_delta=sum(result.selected_delta for result in results) / len(results),
        mean_risk=sum(ranks[result.delta_range.name] for result in results) / len(results),
    )


def read_facts(request: SelectRequest) -> Facts:
    """A request's own values, else those of its analysis.

    A percentile counts only when it ranks implied volatility: a high rank of historical volatility says
    that the market moved, not that options are dear.
    """
    analysis = request.market_analysis
    as_of = request.as_of or (analysis.as_of if analysis else None)
    spot, implied = request.spot, request.volatility
    condition, forecast = request.market_condition, request.forecast_volatility
    if analysis is not None:
        spot = analysis.current_price if spot is None else spot
        implied = analysis.volatility if implied is None else implied
        condition = analysis.market_condition if condition is None else condition
    details = analysis.volatility_analysis if analysis else None
    percentile = None
    if details is not None:
        forecast = details.forecast_volatility if forecast is None else forecast
        if details.percentile_of is PercentileOf.IMPLIED:
            percentile = details.percentile
    return Facts(
        kind=request.option_type,
        spot=spot,
        implied=usable_volatility(implied),
        forecast=usable_volatility(forecast),
        condition=condition,
        percentile=percentile,
        iv_hv_ratio=details.iv_hv_ratio if details else None,
        trend=analysis.trend.direction if analysis and analysis.trend else None,
        strength=analysis.trend.strength if analysis and analysis.trend else None,
        momentum=analysis.momentum.direction if analysis and analysis.momentum else None,
        days=_days(request, as_of),
        as_of=as_of,
        appetite=request.risk_preferences.risk_level,
    )


def price_at(facts: Facts, delta: float, rate: float, dividend: float) -> tuple[float | None, float | None]:
    """Strike and theoretical price of a delta; None where spot or volatility is unknown."""
    if facts.spot is None or facts.implied is None:
        return None, None
    strike = options.strike_from_delta(
        facts.kind, facts.spot, delta, facts.years, rate, facts.implied, dividend
    )
    return strike, options.price(facts.kind, facts.spot, strike, facts.years, rate, facts.implied, dividend)


def assignment_probability(facts: Facts, delta: float, rate: float, dividend: float) -> float | None:
    """Probability that the option of a delta ends in the money; None where the volatility is unknown.

    It does not depend on the price of the underlying, so that 1 stands for an unknown one.
    """
    if facts.implied is None:
        return None
    terms = (facts.years, rate, facts.implied, dividend)
    strike = options.strike_from_delta(facts.kind, 1.0, delta, *terms)
    return options.probability_itm(facts.kind, 1.0, strike, *terms)


def expect(facts: Facts, strike: float, rate: float, dividend: float) -> ExpectedMetrics | None:
    """What the seller of a strike may expect; None where spot or volatility is unknown."""
    if facts.spot is None or facts.implied is None:
        return None

    def value(sigma: float) -> float:
        assert facts.spot is not None
        return options.price(facts.kind, facts.spot, strike, facts.years, rate, sigma, dividend)

    terms = (facts.kind, facts.spot, strike, facts.years, rate, facts.implied, dividend)
    inside = options.probability_itm(*terms)
    return ExpectedMetrics(
        prob_otm=1.0 - inside,
        prob_touch=min(1.0, 2.0 * inside),
        expected_value=None if facts.forecast is None else value(facts.implied) - value(facts.forecast),
        theta_per_day=-options.greeks(*terms).theta_per_day,
    )


def assess_risk(facts: Facts, delta: float, rate: float, dividend: float) -> RiskAssessment:
    """Risk by the range of the delta; a strong trend against the seller is high, an unknown one medium."""
    trend_risk = RiskLevel.MEDIUM
    if facts.trend is facts.favourable:
        trend_risk = RiskLevel.LOW
    elif facts.strength is TrendStrength.STRONG and facts.trend is not Direction.NEUTRAL:
        trend_risk = RiskLevel.HIGH
    return RiskAssessment(
        overall_risk_level=_range(delta)[1],
        assignment_probability=assignment_probability(facts, delta, rate, dividend),
        trend_risk=trend_risk,
    )


def _range(delta: float) -> tuple[DeltaRange, RiskLevel]:
    return next((entry for entry in RANGES if delta <= entry[0].high), RANGES[-1])


def _alternatives(facts: Facts, points: int, bounds: Bounds, request: SelectRequest) -> list[Alternative]:
    found = []
    for step in _ALTERNATIVES:
        if not bounds.low <= points + step <= bounds.high:
            continue
        delta = (points + step) / POINTS
        strike, price = price_at(facts, delta, request.r, request.q)
        inside = assignment_probability(facts, delta, request.r, request.q)
        found.append(Alternative(delta=delta, strike=strike, theoretical_price=price, prob_itm=inside))
    return found


def _days(request: SelectRequest, as_of: date | None) -> int:
    if request.expiry is None:
        return request.dte
    if as_of is None:
        raise InvalidInputError("as_of", "an expiry needs the day from which it is counted")
    days = (request.expiry - as_of).days
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInputError("expiry", f"must be 1 to {MAX_DAYS} days after {as_of}, not {days}")
    return days


def _gaps(facts: Facts) -> list[str]:
    """What was not known, so that no rule about it could speak."""
    unknown = (
        ("market condition", facts.condition),
        ("implied volatility", facts.implied),
        ("trend", facts.trend),
        ("spot", facts.spot),
        ("forecast volatility", facts.forecast),
    )
    return [
        f"{name} unknown: it moves nothing and is not estimated" for name, value in unknown if value is None
    ]


def _explain(
    base: int, adjustments: Sequence[Adjustment], raw: int, points: int, clamped_by: ClampedBy | None
) -> list[str]:
    moves = "".join(f" {entry.delta_points:+d} {entry.name}" for entry in adjustments)
    lines = [f"band middle {base}{moves} = {raw} delta points"]
    if clamped_by is not None:
        lines.append(f"held at {points} by {clamped_by}")
    return lines
