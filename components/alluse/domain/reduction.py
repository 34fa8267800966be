"""Which positions to reduce at a protection level, and when a reduction may be asked for.

Target of each instrument: (1 − reduction) of its quantity when the episode began, never more than now, so
that repeated steps do not multiply. Light touches only what is volatile (or of unknown volatility).
Emergency closes the riskiest first until a fifth of the exposure is left. Remaining option contracts are
rounded down. Short positions are reduced like long ones.

An escalation may act at once. A repetition on the same level waits for the cooldown and is limited per UTC
day; in an emergency neither holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

from alluse.domain.drawdown import Rules, actions_on, drawdown_of, shown, stop_new_entries
from alluse.schemas.common import CONTRACT_SIZE, Position, PositionKind
from alluse.schemas.drawdown import (
    ActivateAnswer,
    Adjustment,
    Holding,
    NotActivated,
    Protection,
    ProtectionLevel,
)

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Item:
    """One position to be reduced; `risk` orders them in an emergency."""

    position: Position
    instrument: str
    exposure: float
    baseline: Holding
    volatility: float | None

    @property
    def risk(self) -> float:
        # An unknown volatility counts as 100 % a year.
        return self.exposure * (1.0 if self.volatility is None else self.volatility)


def instrument_of(position: Position) -> str:
    """Name of what is held: the symbol, for options with kind, strike and expiry."""
    if position.kind == PositionKind.STOCK:
        return position.symbol
    strike = "?" if position.strike is None else f"{position.strike:g}"
    expiry = "?" if position.expiry is None else position.expiry.isoformat()
    return f"{position.symbol} {expiry} {strike} {position.kind.value}"


def exposure_of(position: Position) -> float:
    """USD at stake: the market value, and for a sold option at least what its exercise would move."""
    value = abs(position.market_value)
    if position.kind == PositionKind.STOCK or position.quantity >= 0 or position.strike is None:
        return value
    return max(value, abs(position.quantity) * position.strike * CONTRACT_SIZE)


def holdings_of(positions: Sequence[Position]) -> dict[str, Holding]:
    """Quantities and exposures by instrument; lots of one instrument are added."""
    held: dict[str, Holding] = {}
    for position in positions:
        name = instrument_of(position)
        before = held.get(name, Holding(quantity=0.0, exposure=0.0))
        held[name] = Holding(
            quantity=before.quantity + position.quantity,
            exposure=before.exposure + exposure_of(position),
        )
    return held


def propose(
    state: Protection,
    positions: Sequence[Position],
    volatilities: Mapping[str, float],
    at: datetime,
    rules: Rules,
    *,
    dry_run: bool,
) -> tuple[Protection, ActivateAnswer]:
    """Reductions for a portfolio that was just observed, and the state that remembers having asked.

    `volatilities` are the 21-day ones by symbol, used where a position gives none.
    """
    refused = _refusal(state, at, rules, dry_run=dry_run)
    adjustments: list[Adjustment] = []
    if refused is None:
        adjustments = reductions(state, positions, volatilities, rules)
        if not adjustments:
            refused = NotActivated.ALREADY_REDUCED
    activated = refused is None and not dry_run
    if refused is None:
        state = acted(state, at) if activated else _proposed(state, at)
    answer = ActivateAnswer(
        portfolio_id=state.portfolio_id,
        protection_level=state.level,
        current_drawdown=shown(drawdown_of(state.value, state.peak)),
        activated=activated,
        adjustments_made=adjustments,
        exposure_factor=rules.exposure_factor(state.level),
        stop_new_entries=stop_new_entries(state),
        reason_not_activated=refused or (NotActivated.DRY_RUN if dry_run else None),
        dry_run=dry_run,
    )
    return state, answer


def acted(state: Protection, at: datetime) -> Protection:
    """The state after reductions were set in motion: cooldown and the day's count start here."""
    episode = state.episode
    if episode is not None:
        episode = episode.model_copy(update={"acted_level": state.level})
    return state.model_copy(
        update={
            "acted_at": at,
            "proposed_at": None,
            "action_day": at.astimezone(UTC).date(),
            "actions": actions_on(state, at) + 1,
            "episode": episode,
        }
    )


def confirmed(state: Protection, at: datetime) -> Protection:
    """The state after the caller reported its positions: an outstanding proposal counts as carried out."""
    return state if state.proposed_at is None else acted(state, at)


def reductions(
    state: Protection, positions: Sequence[Position], volatilities: Mapping[str, float], rules: Rules
) -> list[Adjustment]:
    """What each position has to give up at the present level."""
    if state.episode is None or state.level is ProtectionLevel.NONE:
        return []
    items = _items(state, positions, volatilities)
    factor = rules.exposure_factor(state.level)
    if state.level is ProtectionLevel.EMERGENCY:
        started = sum(held.exposure for held in state.episode.baseline.values())
        return _riskiest_first(items, factor * started)
    chosen = [
        item
        for item in items
        if state.level is not ProtectionLevel.LIGHT
        or item.volatility is None
        or item.volatility > rules.light_volatility
    ]
    reason = f"{state.level.value}: keep {factor:.0%} of the quantity at the start of the episode"
    adjusted = (_to(item, factor * abs(item.baseline.quantity), reason) for item in chosen)
    return [adjustment for adjustment in adjusted if adjustment is not None]


def _riskiest_first(items: Sequence[_Item], budget: float) -> list[Adjustment]:
    adjusted: list[Adjustment] = []
    remaining = sum(item.exposure for item in items)
    for item in sorted(items, key=lambda item: item.risk, reverse=True):
        excess = remaining - budget
        if excess <= _ROUNDING * max(budget, 1.0):
            break
        kept = max(item.exposure - excess, 0.0)
        share = kept / item.exposure if item.exposure > 0 else 0.0
        adjustment = _to(item, share * abs(item.position.quantity), "Emergency: riskiest first")
        if adjustment is not None:
            adjusted.append(adjustment)
            remaining -= item.exposure * adjustment.fraction
    return adjusted


def _to(item: _Item, quantity: float, reason: str) -> Adjustment | None:
    """Reduce to at most `quantity` (absolute); None when no more than that is held."""
    held = abs(item.position.quantity)
    if item.position.is_option:
        quantity = float(floor(quantity + _ROUNDING))
    if quantity >= held - _ROUNDING * max(held, 1.0):
        return None
    sign = 1.0 if item.position.quantity > 0 else -1.0
    return Adjustment(
        symbol=item.position.symbol,
        instrument=item.instrument,
        action="close" if quantity == 0 else "reduce",
        from_=item.position.quantity,
        to=sign * quantity if quantity else 0.0,
        fraction=shown(1.0 - quantity / held),
        reason=reason,
    )


def _items(
    state: Protection, positions: Sequence[Position], volatilities: Mapping[str, float]
) -> list[_Item]:
    """One item an instrument, its lots added; a reversed position has no baseline but itself."""
    baseline = state.episode.baseline if state.episode else {}
    held = holdings_of(positions)
    first = {instrument_of(position): position for position in reversed(positions)}
    items = []
    for name, now in held.items():
        if now.quantity == 0:
            continue
        position = first[name].model_copy(update={"quantity": now.quantity})
        started = baseline.get(name, now)
        if started.quantity * now.quantity <= 0:
            started = now
        known = position.volatility or volatilities.get(position.symbol)
        items.append(_Item(position, name, now.exposure, started, known))
    return items


def _refusal(state: Protection, at: datetime, rules: Rules, *, dry_run: bool) -> NotActivated | None:
    """Why nothing may be proposed (dry run) or set in motion now, or None."""
    if state.episode is None or state.level is ProtectionLevel.NONE:
        return NotActivated.NOT_NEEDED
    if state.level is ProtectionLevel.EMERGENCY:
        return None
    if state.level.rank > state.episode.acted_level.rank:
        repeated = dry_run and state.proposed_at is not None and state.proposed_level == state.level
        if repeated and state.proposed_at is not None and at - state.proposed_at < rules.cooldown:
            return NotActivated.COOLDOWN
        return None
    recent = [state.acted_at] + ([state.proposed_at] if dry_run else [])
    if any(moment is not None and at - moment < rules.cooldown for moment in recent):
        return NotActivated.COOLDOWN
    if actions_on(state, at) >= rules.daily_actions:
        return NotActivated.DAILY_LIMIT
    return None


def _proposed(state: Protection, at: datetime) -> Protection:
    return state.model_copy(update={"proposed_at": at, "proposed_level": state.level})
