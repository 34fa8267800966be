"""The caps of a position: each is a share of the account less what is already held against it.

Written so, every cap is linear in the account's balance, and the smallest balance that would allow one
contract is as exact as the caps themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alluse.domain import capital
from alluse.domain.kelly import ShortOption
from alluse.schemas.common import Condition, Position
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Blocked, Caps, SizeRequest

#: The limit of a position that no cap binds: the fraction of the account that the factors leave.
BY_KELLY = "kelly"
#: The largest amount of money that a request may hold.
LARGEST_BALANCE = 1e12


@dataclass(frozen=True, slots=True)
class Limit:
    """Capital (USD) allowed at a balance: (share × balance − held) × scale. `share` 0 is a fixed sum."""

    name: str
    blocks: Blocked
    share: float
    held: float
    scale: float = 1.0

    def at(self, balance: float) -> float:
        return max((self.share * balance - self.held) * self.scale, 0.0)

    def balance_for(self, wanted: float) -> float | None:
        """The smallest balance that allows `wanted`; None when no balance does."""
        if self.share > 0.0 and self.scale > 0.0:
            return (wanted / self.scale + self.held) / self.share
        return 0.0 if self.at(0.0) >= wanted else None


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one position in an account of `balance`."""

    balance: float
    limits: tuple[Limit, ...]

    def of(self, name: str) -> float | None:
        return next((limit.at(self.balance) for limit in self.limits if limit.name == name), None)

    def allow(self, wanted: float) -> float:
        return min([wanted, *(limit.at(self.balance) for limit in self.limits)])

    def tightest(self) -> Limit:
        return min(self.limits, key=lambda limit: limit.at(self.balance))

    def binding(self, wanted: float) -> str:
        """The name of what decides the size: a cap, or the fraction itself."""
        tightest = self.tightest()
        return tightest.name if tightest.at(self.balance) < wanted else BY_KELLY

    def smallest_balance(self, wanted: float, fraction: float) -> float | None:
        """The smallest balance at which `fraction` of it and every cap reach `wanted`, holdings unchanged.

        None when there is none, or it is larger than any account can be.
        """
        if fraction <= 0.0:
            return None
        balances = [wanted / fraction]
        for limit in self.limits:
            balance = limit.balance_for(wanted)
            if balance is None:
                return None
            balances.append(balance)
        smallest = max(balances)
        return smallest if smallest <= LARGEST_BALANCE else None

    def caps(self) -> Caps:
        def known(name: str) -> float | None:
            value = self.of(name)
            return None if value is None else round(value, 2)

        return Caps(
            position=known("position") or 0.0,
            exposure=known("exposure") or 0.0,
            notional=known("notional"),
            sector=known("sector"),
            correlated=known("correlated"),
            cash=known("cash") or 0.0,
            user=known("user"),
        )


def find_limits(
    request: SizeRequest,
    symbol: str | None,
    protocol: Protocol,
    option: ShortOption,
    condition: Condition | None,
) -> Limits:
    """The caps that hold for one request. An unknown condition counts as the tightest week."""
    rules = protocol.account(request.account_type)
    portfolio = request.portfolio
    held = [] if portfolio is None else capital.uncovered(portfolio.positions)
    weeks = protocol.size.week_exposure
    week = min(weeks.values()) if condition is None else weeks[condition]
    exposure = rules.max_exposure * week * request.exposure_factor

    def tied(positions: Sequence[Position]) -> float:
        return sum(capital.held_capital(position, request.basis) for position in positions)

    limits = [
        Limit(
            "position",
            Blocked.POSITION_CAP,
            rules.max_position,
            tied([position for position in held if position.symbol == symbol]),
        ),
        Limit("exposure", Blocked.EXPOSURE_CAP, exposure, tied(held)),
        Limit(
            "notional",
            Blocked.NOTIONAL_CAP,
            exposure,
            sum(capital.held_notional(position) for position in held),
            scale=option.capital / option.strike,
        ),
    ]
    sector = protocol.sectors.get(symbol or "")
    if sector is not None:
        together = [position for position in held if capital.sector_of(position, protocol) == sector]
        limits.append(Limit("sector", Blocked.SECTOR_CAP, protocol.sector_cap, tied(together)))
    correlated = _correlated(symbol, request.correlations, held, protocol.correlated_above)
    if correlated is not None:
        limits.append(Limit("correlated", Blocked.CORRELATED_CAP, protocol.correlated_cap, tied(correlated)))
    missing_cash = 0.0
    if portfolio is not None:
        missing_cash = request.account_balance - capital.free_cash(portfolio, held, request.basis)
    limits.append(Limit("cash", Blocked.CASH, 1.0 - rules.cash_buffer, missing_cash))
    user = request.risk_preferences.max_position_size
    if user is not None:
        limits.append(Limit("user", Blocked.USER_CAP, 0.0, -user))
    return Limits(request.account_balance, tuple(limits))


def _correlated(
    symbol: str | None, correlations: Mapping[str, float] | None, held: Sequence[Position], above: float
) -> list[Position] | None:
    """Held positions that move with the symbol; None when nobody said how they do.

    Where correlations are given, a symbol that they leave out counts as correlated.
    """
    others = [position for position in held if position.symbol != symbol]
    if others and correlations is None:
        return None
    known = correlations or {}
    return [
        position for position in held if position.symbol == symbol or known.get(position.symbol, 1.0) > above
    ]
