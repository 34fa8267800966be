"""What a position stands to lose and to move: from positions to signed exposures of their issuers.

Two questions are kept apart. How does the position move with its underlying, a little (`delta_exposure`,
USD per 100 % of the underlying)? And what does the book lose if the issuer fails (`default_loss`)? An
option's own market value answers neither: a short put worth 300 USD may cost 20,000.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import sqrt

from alluse.domain.errors import DomainError, InvalidInputError
from alluse.domain.options import DAYS_PER_YEAR, greeks, implied_volatility
from alluse.schemas.common import CONTRACT_SIZE, OptionType, Position, PositionKind

TRADING_DAYS = 252
#: Assumed of an option when neither its own nor a computed delta is at hand: as if deep in the money.
_FULL_DELTA = 1.0


@dataclass(frozen=True, slots=True)
class Leg:
    """One position reduced to what risk needs.

    `spot`, `strike` in USD per share; `units` signed shares (options: contracts × 100); `sigma` the
    volatility used to revalue an option, yearly; `years` to expiry; `delta` per unit; `assumed` names what
    was not known and was taken on the careful side.
    """

    symbol: str
    kind: PositionKind
    units: float
    spot: float
    value: float
    delta: float
    strike: float = 0.0
    years: float = 0.0
    sigma: float = 0.0
    assumed: tuple[str, ...] = ()

    @property
    def delta_exposure(self) -> float:
        """USD gained when the underlying doubles along its present slope."""
        return self.units * self.delta * self.spot if self.kind != PositionKind.STOCK else self.value

    @property
    def default_loss(self) -> float:
        """USD lost when the underlying falls to zero at once; negative if that is a gain."""
        worth = self.units * self.strike if self.kind == PositionKind.PUT else 0.0
        return self.value - worth

    @property
    def option_type(self) -> OptionType:
        return OptionType.PUT if self.kind == PositionKind.PUT else OptionType.CALL


def leg(position: Position, *, spot: float | None, sigma: float | None, as_of: date, rate: float) -> Leg:
    """A position with what its option pricing needs, taken from the position first, the market second.

    An option's volatility is its own `iv`, else the one implied by its price, else `sigma` (the
    underlying's). Its delta is its own, else computed, else ±1. Without a market price of the underlying
    the strike stands for it.
    """
    kind = PositionKind(position.kind.value)
    if kind is PositionKind.STOCK:
        value = position.market_value
        return Leg(position.symbol, kind, position.quantity, position.price, value, 1.0)
    assumed: list[str] = []
    units = position.quantity * CONTRACT_SIZE
    if position.strike is not None:
        strike = position.strike
    elif spot is not None:
        strike = spot
        assumed.append("strike")
    else:
        raise InvalidInputError(
            "positions", f"the {kind.value} on {position.symbol} needs a strike: its underlying has no price"
        )
    if spot is None:
        spot = strike
        assumed.append("spot")
    days = (position.expiry - as_of).days if position.expiry is not None else 0
    if position.expiry is None:
        assumed.append("expiry")
    years = max(days, 0) / DAYS_PER_YEAR
    option = OptionType.PUT if kind is PositionKind.PUT else OptionType.CALL
    volatility = position.iv or _implied(option, position.price, spot, strike, years, rate) or sigma
    if volatility is None:
        assumed.append("iv")
    delta = _option_delta(
        position, option, spot=spot, strike=strike, years=years, volatility=volatility, rate=rate
    )
    if delta is None:
        delta = _FULL_DELTA if option is OptionType.CALL else -_FULL_DELTA
        assumed.append("delta")
    return Leg(
        symbol=position.symbol,
        kind=kind,
        units=units,
        spot=spot,
        value=position.market_value,
        delta=delta,
        strike=strike,
        years=years,
        sigma=volatility or 0.0,
        assumed=tuple(assumed),
    )


def _option_delta(
    position: Position,
    option: OptionType,
    *,
    spot: float,
    strike: float,
    years: float,
    volatility: float | None,
    rate: float,
) -> float | None:
    """Its own, else computed, else at its expiry what it is worth then; None: not known."""
    if position.delta is not None:
        return position.delta
    if volatility is not None and years > 0:
        return greeks(option, spot, strike, years, rate, volatility).delta
    if position.expiry is None or years > 0:
        return None
    sign = 1.0 if option is OptionType.CALL else -1.0
    return sign if sign * (spot - strike) > 0 else 0.0


def net_exposures(legs: Iterable[Leg]) -> dict[str, float]:
    """Signed delta exposure of each symbol, USD, in order of first appearance."""
    exposures: dict[str, float] = {}
    for item in legs:
        exposures[item.symbol] = exposures.get(item.symbol, 0.0) + item.delta_exposure
    return exposures


def issuer_losses(legs: Iterable[Leg]) -> dict[str, float]:
    """What each issuer can cost, USD ≥ 0: the larger of its failure and its delta exposure either way.

    For stocks this is the absolute market value. Legs of one issuer offset each other before the absolute
    value is taken, so that a spread counts as a spread.
    """
    failures: dict[str, float] = {}
    moves: dict[str, float] = {}
    for item in legs:
        failures[item.symbol] = failures.get(item.symbol, 0.0) + item.default_loss
        moves[item.symbol] = moves.get(item.symbol, 0.0) + item.delta_exposure
    return {symbol: max(failures[symbol], abs(moves[symbol])) for symbol in failures}


@dataclass(frozen=True, slots=True)
class Concentration:
    """How much rests on few issuers: shares of the total value (largest) and of the exposure (the others)."""

    largest: float
    issuer: str | None
    herfindahl: float
    normalized: float
    effective_positions: float


def concentration(losses: Mapping[str, float], total_value: float) -> Concentration:
    """Concentration of issuers whose possible losses are given (USD ≥ 0) in a book of `total_value` USD.

    The largest share is of the whole book (cash dilutes it); Herfindahl's index Σs² is of the shares in
    what is at risk, from 1/n (even) to 1 (one issuer); normalized maps that range to 0…1, and 1/Σs² counts
    issuers as if they were even.
    """
    at_risk = sum(losses.values())
    if at_risk <= 0:
        return Concentration(0.0, None, 0.0, 0.0, 0.0)
    issuer = max(losses, key=lambda symbol: losses[symbol])
    shares = [loss / at_risk for loss in losses.values() if loss > 0]
    herfindahl = min(sum(share * share for share in shares), 1.0)
    count = len(shares)
    normalized = 1.0 if count == 1 else max((herfindahl - 1 / count) / (1 - 1 / count), 0.0)
    return Concentration(losses[issuer] / total_value, issuer, herfindahl, normalized, 1.0 / herfindahl)


def daily(volatility: float) -> float:
    """Standard deviation of a day from a yearly one."""
    return volatility / sqrt(TRADING_DAYS)


def _implied(
    option: OptionType, price: float, spot: float, strike: float, years: float, rate: float
) -> float | None:
    if years <= 0 or price <= 0:
        return None
    try:
        volatility = implied_volatility(option, price, spot, strike, years, rate)
    except DomainError:
        return None
    return volatility if 0.01 <= volatility <= 5.0 else None
