"""How much capital an account may put into one short put or covered call.

The growth-optimal share of the account is scaled by the protocol's factors, and the caps come last, so
that no multiplier can lift a position over a limit. What is unknown counts as the least favourable case;
what cannot be computed is not guessed but blocks the trade and says so. Zero contracts is an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, prod

from alluse.domain import options
from alluse.domain.capital import capital_per_share
from alluse.domain.errors import InvalidInputError
from alluse.domain.inputs import symbol_of, usable_volatility
from alluse.domain.kelly import Growth, ShortOption, optimal_growth
from alluse.domain.limits import Limits, find_limits
from alluse.domain.losses import assess_losses
from alluse.domain.money import cents, cents_down, cents_up
from alluse.schemas.common import (
    CONTRACT_SIZE,
    AccountType,
    Condition,
    IvRegime,
    OptionType,
    TrendStrength,
)
from alluse.schemas.market import Direction, MarketAnalysis
from alluse.schemas.protocol import AccountRules, Protocol, SizeFactors
from alluse.schemas.sizing import (
    Basis,
    Blocked,
    CapitalPerContract,
    Factors,
    Kelly,
    SizeAnswer,
    SizedOption,
    SizeRequest,
)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Market:
    """What a request says about the market; all that a sizing cannot do without is known."""

    price: float
    implied: float
    forecast: float
    condition: Condition | None
    analysis: MarketAnalysis | None


def size(request: SizeRequest, protocol: Protocol) -> SizeAnswer:
    """Size one position. Raises InvalidInputError for a portfolio that cannot be valued."""
    market = read_market(request)
    if isinstance(market, Blocked):
        return _unknown(request, market)
    rules = protocol.account(request.account_type)
    option = build_option(request, rules, market)
    growth = optimal_growth(option, market.forecast, request.r, protocol.tail_shock)
    factors = assess_factors(request, market, rules, protocol.size)
    fraction = growth.fraction * factors.kelly_fraction * factors.volatility * factors.multipliers
    wanted = fraction * request.account_balance
    symbol = symbol_of(request.symbol, request.market_analysis)
    limits = find_limits(request, symbol, protocol, option, market.condition)
    per_contract = CONTRACT_SIZE * option.capital
    blocked = _forbidden(request, market, rules, growth)
    allowed = 0.0 if blocked else limits.allow(wanted)
    contracts = floor(allowed / per_contract)
    smallest = None
    if blocked is None and contracts == 0:
        blocked = Blocked.MIN_TICKET if allowed > 0.0 else limits.tightest().blocks
        smallest = limits.smallest_balance(per_contract, fraction)
    shares = contracts * CONTRACT_SIZE
    losses = assess_losses(option, shares, market.implied, market.forecast, request.r, protocol.tail_shock)
    binding = limits.binding(wanted)
    return SizeAnswer(
        account_type=request.account_type,
        symbol=symbol,
        position_size=cents_down(allowed),
        contracts=contracts,
        capital_per_contract=cents(per_contract),
        capital_used=cents(contracts * per_contract),
        capital=_both_bases(option),
        notional=cents(shares * option.strike),
        premium_total=cents(shares * option.premium),
        option=SizedOption(
            type=option.kind,
            spot=option.spot,
            strike=option.strike,
            dte=option.days,
            premium=option.premium,
            premium_source="model" if request.option.premium is None else "given",
            capital_per_share=option.capital,
        ),
        kelly=Kelly(edge=growth.edge, f_star=growth.fraction, used_fraction=fraction),
        factors=factors,
        caps=limits.caps(),
        binding=None if allowed <= 0.0 else binding,
        blocked_by=blocked,
        smallest_balance=None if smallest is None else cents_up(smallest),
        max_loss=losses.total,
        loss_at_shock=losses.at_shock,
        var_95_1day=losses.var_95,
        var_99_1day=losses.var_99,
        basis=request.basis,
        rationale=_explain(market, option, growth, fraction, binding, blocked, smallest),
        warnings=[*_gaps(request, market, rules, limits), *_near_limits(request, rules, limits, allowed)],
    )


def read_market(request: SizeRequest) -> Market | Blocked:
    """A request's own values, else those of its analysis; the first that is missing blocks the trade."""
    analysis = request.market_analysis
    details = None if analysis is None else analysis.volatility_analysis
    price, implied = request.current_price, request.volatility
    forecast, condition = request.forecast_volatility, request.market_condition
    if analysis is not None:
        price = analysis.current_price if price is None else price
        implied = analysis.volatility if implied is None else implied
        condition = analysis.market_condition if condition is None else condition
    if details is not None and forecast is None:
        forecast = details.forecast_volatility
    implied, forecast = usable_volatility(implied), usable_volatility(forecast)
    if price is None:
        return Blocked.NO_PRICE
    if implied is None:
        return Blocked.NO_VOLATILITY
    if forecast is None:
        return Blocked.NO_FORECAST
    return Market(price, implied, forecast, condition, analysis)


def build_option(request: SizeRequest, rules: AccountRules, market: Market) -> ShortOption:
    """The option to be sold: strike from the delta and premium from the model, unless they are given.

    Raises InvalidInputError for prices that no market has.
    """
    terms, spot = request.option, market.price
    years = terms.dte / options.DAYS_PER_YEAR
    strike = terms.strike
    if strike is None:
        delta = rules.delta_band.middle if terms.target_delta is None else terms.target_delta
        strike = options.strike_from_delta(terms.type, spot, delta, years, request.r, market.implied)
    fair = options.price(terms.type, spot, strike, years, request.r, market.implied)
    premium = fair if terms.premium is None else terms.premium
    most = strike if terms.type is OptionType.PUT else spot
    if premium > most:
        raise InvalidInputError("option.premium", f"no {terms.type} is worth more than {most:.6g}")
    behind = capital_per_share(terms.type, request.basis, spot, strike, premium)
    return ShortOption(terms.type, spot, strike, terms.dte, premium, behind)


def assess_factors(request: SizeRequest, market: Market, rules: AccountRules, table: SizeFactors) -> Factors:
    """Multipliers of the growth-optimal fraction; for what is unknown the smallest of its table."""
    analysis = market.analysis
    trend = None if analysis is None else analysis.trend
    confidence = None if analysis is None else analysis.confidence
    by_trend = min(table.trend.values())
    if trend is not None:
        by_trend = table.trend[trend.strength]
        favourable = Direction.BULLISH if request.option.type is OptionType.PUT else Direction.BEARISH
        if trend.strength is TrendStrength.STRONG and trend.direction is not favourable:
            by_trend = table.trend_against
    by_condition = min(table.condition.values())
    if market.condition is not None:
        by_condition = table.condition[market.condition]
    by_regime = table.iv_regime[IvRegime.of(market.implied)]
    by_confidence = table.confidence_base + table.confidence_slope * (confidence or 0.0)
    appetite = table.appetite[request.risk_preferences.risk_level]
    parts = (by_condition, by_regime, by_trend, by_confidence, appetite, request.exposure_factor)
    return Factors(
        kelly_fraction=rules.kelly_fraction,
        volatility=1.0 / (1.0 + market.implied * rules.volatility_factor),
        condition=by_condition,
        iv_regime=by_regime,
        trend=by_trend,
        confidence=by_confidence,
        appetite=appetite,
        protection=request.exposure_factor,
        multipliers=prod(parts),
    )


def _forbidden(request: SizeRequest, market: Market, rules: AccountRules, growth: Growth) -> Blocked | None:
    """The first rule that forbids the trade, whatever the caps leave."""
    if market.condition is Condition.CHOP and request.account_type is AccountType.GEN_ACC:
        return Blocked.CHOP_WEEK
    if request.exposure_factor <= 0.0:
        return Blocked.DRAWDOWN_PROTECTION
    portfolio = request.portfolio
    if portfolio is not None and portfolio.peak_value is not None:
        drawdown = 1.0 - portfolio.total_value / portfolio.peak_value
        if drawdown >= rules.drawdown_limit - 1e-9:
            return Blocked.DRAWDOWN_LIMIT
    return Blocked.NO_EDGE if growth.fraction <= 0.0 else None


def _gaps(request: SizeRequest, market: Market, rules: AccountRules, limits: Limits) -> list[str]:
    """What was not known and how it was counted."""
    gaps = []
    if market.condition is None:
        gaps.append("market condition unknown: counted as the least favourable")
    if market.analysis is None or market.analysis.trend is None:
        gaps.append("trend and confidence unknown: counted as weak and 0")
    if limits.of("sector") is None:
        gaps.append("sector unknown: the sector cap is not tested")
    if limits.of("correlated") is None:
        gaps.append("correlations with the held symbols unknown: the correlated cap is not tested")
    if request.portfolio is None:
        gaps.append("no portfolio given: counted as holding cash alone")
    day = request.entry_date or (market.analysis.as_of if market.analysis else None)
    if day is not None and day.weekday() not in rules.entry_weekdays:
        allowed = ", ".join(_WEEKDAYS[weekday] for weekday in rules.entry_weekdays)
        gaps.append(
            f"{_WEEKDAYS[day.weekday()]} is no entry day of {request.account_type.display} ({allowed})"
        )
    return gaps


def _near_limits(request: SizeRequest, rules: AccountRules, limits: Limits, allowed: float) -> list[str]:
    """Warnings about a position close to a limit or too small to matter."""
    if allowed <= 0.0:
        return []
    balance = request.account_balance
    tested: Sequence[tuple[bool, str]] = (
        (allowed > 0.8 * rules.max_position * balance, "uses more than 80 % of the position cap"),
        (allowed > 0.9 * (limits.of("exposure") or 0.0), "uses more than 90 % of the remaining exposure"),
        (allowed < 0.01 * balance, "is less than 1 % of the account"),
        (allowed > 0.9 * (limits.of("cash") or 0.0), "uses more than 90 % of the free cash"),
    )
    return [f"the position {text}" for holds, text in tested if holds]


def _explain(
    market: Market,
    option: ShortOption,
    growth: Growth,
    fraction: float,
    binding: str,
    blocked: Blocked | None,
    smallest: float | None,
) -> list[str]:
    lines = [
        f"{option.kind} at strike {option.strike:.2f}, {option.days} days, premium {option.premium:.2f},"
        f" ties up {option.capital:.2f} per share",
        f"implied volatility {market.implied:.4f} against forecast {market.forecast:.4f}:"
        f" growth-optimal fraction {growth.fraction:.4f}, after factors {fraction:.4f}",
    ]
    if blocked is None:
        lines.append(f"limited by {binding}")
    elif blocked is Blocked.NO_EDGE:
        lines.append("no contract: the premium does not pay for the forecast risk")
    elif smallest is None:
        lines.append(f"no contract: {blocked}")
    else:
        lines.append(f"no contract: {blocked}; one fits from an account of {cents_up(smallest):,.2f} USD")
    return lines


def _unknown(request: SizeRequest, blocked: Blocked) -> SizeAnswer:
    """The answer when a needed input is missing: nothing is computed from what is left."""
    reasons = {
        Blocked.NO_PRICE: "current_price is missing",
        Blocked.NO_VOLATILITY: "implied volatility is missing or not between 0.01 and 5",
        Blocked.NO_FORECAST: "forecast volatility is missing or not between 0.01 and 5",
    }
    return SizeAnswer(
        account_type=request.account_type,
        symbol=symbol_of(request.symbol, request.market_analysis),
        position_size=0.0,
        contracts=0,
        capital_per_contract=None,
        capital_used=0.0,
        capital=None,
        notional=0.0,
        premium_total=0.0,
        option=None,
        kelly=None,
        factors=None,
        caps=None,
        binding=None,
        blocked_by=blocked,
        smallest_balance=None,
        max_loss=0.0,
        loss_at_shock=0.0,
        var_95_1day=0.0,
        var_99_1day=0.0,
        basis=request.basis,
        rationale=[f"no contract: {reasons[blocked]}; give it or the whole market_analysis"],
        warnings=[],
    )


def _both_bases(option: ShortOption) -> CapitalPerContract:
    margin, secured = (
        cents(
            CONTRACT_SIZE * capital_per_share(option.kind, basis, option.spot, option.strike, option.premium)
        )
        for basis in (Basis.MARGIN, Basis.CASH_SECURED)
    )
    return CapitalPerContract(margin=margin, cash_secured=secured)
