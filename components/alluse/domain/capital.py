"""What a position ties up, in USD: the basis of sizing and of every limit.

A short put on margin follows the exchanges' rule for uncovered puts (CBOE, Regulation T): 20 % of the
underlying less what the put is out of the money, plus the premium, and at least 10 % of the strike plus
the premium. A covered call ties up the shares: half of them on margin (Regulation T), else all.

A held option is valued without the price of its underlying, which a portfolio does not carry; then the
bound that holds for every price is used, so that a limit can only be tighter than the truth.
"""

from collections.abc import Iterable
from math import floor

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import CONTRACT_SIZE, OptionType, Portfolio, Position, PositionKind
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Basis

MARGIN_OF_UNDERLYING = 0.20
LEAST_MARGIN_OF_STRIKE = 0.10
MARGIN_OF_STOCK = 0.50


def capital_per_share(kind: OptionType, basis: Basis, spot: float, strike: float, premium: float) -> float:
    """Capital behind one share of a new short put or covered call."""
    if kind is OptionType.CALL:
        return spot * (MARGIN_OF_STOCK if basis is Basis.MARGIN else 1.0)
    if basis is Basis.CASH_SECURED:
        return strike
    out_of_the_money = max(spot - strike, 0.0)
    return max(
        MARGIN_OF_UNDERLYING * spot - out_of_the_money + premium,
        LEAST_MARGIN_OF_STRIKE * strike + premium,
    )


def held_capital(position: Position, basis: Basis) -> float:
    """Capital behind a position, never negative.

    Long positions tie up their value. A short put is at most 20 % of its strike plus the premium (the
    margin rule is largest at the money); for an uncovered short call the price of the underlying is at
    most strike plus premium, because the call would otherwise be worth more.
    """
    if position.kind is PositionKind.STOCK or position.quantity >= 0:
        return abs(position.market_value)
    strike = _strike(position)
    shares = abs(position.quantity) * CONTRACT_SIZE
    premium = position.price
    if position.kind is PositionKind.CALL:
        return shares * (MARGIN_OF_UNDERLYING * (strike + premium) + premium)
    if basis is Basis.CASH_SECURED:
        return shares * strike
    return shares * (MARGIN_OF_UNDERLYING * strike + premium)


def held_notional(position: Position) -> float:
    """Strike × shares of a short option; what stock and long options are worth."""
    if position.kind is PositionKind.STOCK or position.quantity >= 0:
        return abs(position.market_value)
    return abs(position.quantity) * CONTRACT_SIZE * _strike(position)


def uncovered(positions: Iterable[Position]) -> list[Position]:
    """The positions without those short calls that held shares of the same symbol cover."""
    held = list(positions)
    shares: dict[str, int] = {}
    for position in held:
        if position.kind is PositionKind.STOCK and position.quantity > 0:
            covered = floor(position.quantity / CONTRACT_SIZE)
            shares[position.symbol] = shares.get(position.symbol, 0) + covered
    remaining: list[Position] = []
    for position in held:
        if position.kind is PositionKind.CALL and position.quantity < 0:
            covered = min(shares.get(position.symbol, 0), int(-position.quantity))
            shares[position.symbol] = shares.get(position.symbol, 0) - covered
            if covered >= -position.quantity:
                continue
            position = position.model_copy(update={"quantity": position.quantity + covered})
        remaining.append(position)
    return remaining


def collateral(positions: Iterable[Position], basis: Basis) -> float:
    """Cash that the short options hold back."""
    return sum(
        held_capital(position, basis)
        for position in positions
        if position.is_option and position.quantity < 0
    )


def free_cash(portfolio: Portfolio, positions: Iterable[Position], basis: Basis) -> float:
    """Cash less the collateral of short options. A portfolio without positions is all cash."""
    cash = portfolio.cash if portfolio.positions else portfolio.total_value
    return cash - collateral(positions, basis)


def sector_of(position: Position, protocol: Protocol) -> str | None:
    return protocol.sectors.get(position.symbol) or position.sector


def _strike(position: Position) -> float:
    if position.strike is None:
        raise InvalidInputError(
            "portfolio.positions", f"the short {position.kind} on {position.symbol} needs its strike"
        )
    return position.strike
