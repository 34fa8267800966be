"""Protection against drawdown: one state machine per portfolio.

        DD = 1 − V/peak          R = (DDmax − DD)/DDmax over the episode

    needed level   Light from DD 0.05, Moderate 0.10, Aggressive 0.15, Emergency 0.20;
                   from the account's own limit at least Aggressive
    escalate       to the needed level at once, always
    relax          one level when R ≥ 0.50 has held for 24 h, never below the needed level
    end            at R ≥ 0.90 and nothing needed: level None, episode closed, peak kept

The level is a promise about exposure: at most (1 − reduction) of what was held when the episode began. A
rule of this kind (less exposure the nearer the floor) is optimal for an investor who refuses drawdowns:
S. Grossman, Z. Zhou, "Optimal investment strategies for controlling drawdowns", Math. Finance 3 (1993).

Time comes from the caller. Holding for 24 h is counted between observations, so that a portfolio nobody
looked at does not relax.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import AccountType
from alluse.schemas.drawdown import Change, CheckAnswer, Episode, Holding, Protection, ProtectionLevel

#: Thresholds are met "from" their value: rounding of 1 − V/peak must not decide.
TOLERANCE = 1e-9
#: Below half a cent there is nothing that a cash flow could be compared with.
SMALLEST_VALUE = 0.005
#: No peak is beyond a thousand times the largest value that can be reported.
LARGEST_PEAK = 1e15


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds, reductions and pauses; the defaults are the protocol's."""

    thresholds: Mapping[ProtectionLevel, float] = field(
        default_factory=lambda: {
            ProtectionLevel.LIGHT: 0.05,
            ProtectionLevel.MODERATE: 0.10,
            ProtectionLevel.AGGRESSIVE: 0.15,
            ProtectionLevel.EMERGENCY: 0.20,
        }
    )
    reductions: Mapping[ProtectionLevel, float] = field(
        default_factory=lambda: {
            ProtectionLevel.NONE: 0.0,
            ProtectionLevel.LIGHT: 0.20,
            ProtectionLevel.MODERATE: 0.40,
            ProtectionLevel.AGGRESSIVE: 0.60,
            ProtectionLevel.EMERGENCY: 0.80,
        }
    )
    account_limits: Mapping[AccountType, float] = field(
        default_factory=lambda: {
            AccountType.GEN_ACC: 0.15,
            AccountType.REV_ACC: 0.10,
            AccountType.COM_ACC: 0.07,
        }
    )
    relax_at: float = 0.50
    end_at: float = 0.90
    hold: timedelta = timedelta(hours=24)
    cooldown: timedelta = timedelta(seconds=300)
    daily_actions: int = 5
    light_volatility: float = 0.35

    def exposure_factor(self, level: ProtectionLevel) -> float:
        """Share of the exposure at the episode's start that a level allows."""
        return round(1.0 - self.reductions[level], 12)


@dataclass(frozen=True, slots=True)
class Observation:
    """A portfolio's value at a time.

    `peak`: a higher value that the caller knows of. `cash_flow`: deposits less withdrawals since the last
    observation. `holdings`: what is held by instrument, or None when only the value is known.
    """

    value: float
    at: datetime
    peak: float | None = None
    cash_flow: float = 0.0
    account_type: AccountType | None = None
    holdings: Mapping[str, Holding] | None = None


def drawdown_of(value: float, peak: float) -> float:
    """1 − value/peak, at least 0, above 1 for a value below zero; without a peak 0, or 1 for such a value."""
    if peak > 0:
        return max(1.0 - value / peak, 0.0)
    return 1.0 if value < 0 else 0.0


def moved_peak(peak: float, value: float, cash_flow: float) -> float:
    """The peak after a deposit or withdrawal that `value` already contains.

    The peak is scaled like the value, so that the drawdown before and after the flow is the same. Moving it
    by the amount instead would make every withdrawal from a fallen portfolio look like a further loss
    (45 of 50 less 20 is 25 of 30: 0.10 becomes 0.17) and a deposit like a recovery. Only where there was
    nothing (or less) before the flow, the amount is added.
    """
    before = value - cash_flow
    if cash_flow == 0:
        return peak
    if before >= SMALLEST_VALUE:
        return min(max(peak * (value / before), 0.0), LARGEST_PEAK)
    return max(peak + cash_flow, 0.0)


def needed_level(drawdown: float, account: AccountType | None, rules: Rules) -> ProtectionLevel:
    """The level that a drawdown calls for in an account."""
    needed = ProtectionLevel.NONE
    for level, threshold in rules.thresholds.items():
        if drawdown >= threshold - TOLERANCE and level.rank > needed.rank:
            needed = level
    if limit_hit(drawdown, account, rules) and needed.rank < ProtectionLevel.AGGRESSIVE.rank:
        return ProtectionLevel.AGGRESSIVE
    return needed


def limit_hit(drawdown: float, account: AccountType | None, rules: Rules) -> bool:
    """Whether an account's own limit is reached."""
    return account is not None and drawdown >= rules.account_limits[account] - TOLERANCE


def recovery(drawdown: float, worst: float) -> float:
    """Share of the worst drawdown that is won back, 0 to 1."""
    return min(max((worst - drawdown) / worst, 0.0), 1.0) if worst > 0 else 1.0


def observe(
    state: Protection | None, portfolio_id: str, seen: Observation, rules: Rules
) -> tuple[Protection, tuple[Change, ...]]:
    """The state after an observation, and the changes of level that it caused."""
    if seen.peak is not None and seen.peak <= 0:
        raise InvalidInputError("peak_value", f"must be positive, not {seen.peak}")
    if state is None:
        peak = max(seen.value, seen.peak or 0.0, 0.0)
        state = Protection(portfolio_id=portfolio_id, peak=peak, value=seen.value, seen_at=seen.at)
    else:
        peak = moved_peak(state.peak, seen.value, seen.cash_flow)
    peak = max(peak, seen.value, seen.peak or 0.0)
    drawdown = drawdown_of(seen.value, peak)
    account = seen.account_type or state.account_type
    holdings = dict(seen.holdings) if seen.holdings is not None else state.holdings
    episode = _episode(state.episode, peak, drawdown, account, holdings, seen.at, rules)
    level, episode, changes = _transition(state.level, episode, drawdown, account, seen.at, rules)
    following = state.model_copy(
        update={
            "account_type": account,
            "peak": peak,
            "value": seen.value,
            "seen_at": seen.at,
            "holdings": holdings,
            "level": level,
            "episode": episode,
        }
    )
    return following, changes


def restart(state: Protection, at: datetime, by: str, reason: str) -> tuple[Protection, Change]:
    """Forget the fall: the peak becomes the present value, the episode is closed, what is held is kept."""
    change = Change(
        at=at,
        kind="reset",
        from_level=state.level,
        to_level=ProtectionLevel.NONE,
        drawdown=drawdown_of(state.value, state.peak),
        detail=f"by {by}: {reason}",
    )
    following = state.model_copy(
        update={"peak": max(state.value, 0.0), "level": ProtectionLevel.NONE, "episode": None}
    )
    return following, change


def stop_new_entries(state: Protection) -> bool:
    """Whether new positions are forbidden: in an emergency, and from the account's limit until relaxed."""
    if state.level is ProtectionLevel.EMERGENCY:
        return True
    hit = state.episode is not None and state.episode.account_limit_hit
    return hit and state.level.rank >= ProtectionLevel.AGGRESSIVE.rank


def in_cooldown(state: Protection, at: datetime, rules: Rules) -> bool:
    """Whether something was proposed or done less than the cooldown ago."""
    return any(
        moment is not None and at - moment < rules.cooldown for moment in (state.acted_at, state.proposed_at)
    )


def actions_on(state: Protection, at: datetime) -> int:
    """How many actions were taken on the UTC day of `at`."""
    return state.actions if state.action_day == at.astimezone(UTC).date() else 0


def standing(state: Protection, at: datetime, rules: Rules) -> CheckAnswer:
    """Where a portfolio stands at a time, from its last observation."""
    drawdown = drawdown_of(state.value, state.peak)
    episode = state.episode
    days = (at - episode.started_at) / timedelta(days=1) if episode else None
    return CheckAnswer(
        portfolio_id=state.portfolio_id,
        current_drawdown=shown(drawdown),
        peak_value=round(state.peak, 2),
        total_value=round(state.value, 2),
        protection_level=state.level,
        level_needed=needed_level(drawdown, state.account_type, rules),
        exposure_factor=rules.exposure_factor(state.level),
        stop_new_entries=stop_new_entries(state),
        max_drawdown_episode=shown(episode.worst_drawdown) if episode else None,
        duration_days=max(days, 0.0) if days is not None else None,
        recovery=shown(recovery(drawdown, episode.worst_drawdown)) if episode else None,
        in_cooldown=in_cooldown(state, at, rules),
        adjustments_today=actions_on(state, at),
        as_of=state.seen_at,
    )


def shown(fraction: float) -> float:
    """A fraction without the rounding noise of its computation: 0.1, not 0.09999999999999998."""
    return round(fraction, 10)


def _episode(
    episode: Episode | None,
    peak: float,
    drawdown: float,
    account: AccountType | None,
    holdings: Mapping[str, Holding],
    at: datetime,
    rules: Rules,
) -> Episode | None:
    """The running episode with this observation in it, a new one if protection is needed, or none."""
    if episode is None:
        if needed_level(drawdown, account, rules) is ProtectionLevel.NONE:
            return None
        episode = Episode(started_at=at, peak=peak, worst_drawdown=drawdown)
    worst = max(episode.worst_drawdown, drawdown)
    recovering = recovery(drawdown, worst) >= rules.relax_at - TOLERANCE
    since = episode.recovering_since
    return episode.model_copy(
        update={
            "worst_drawdown": worst,
            "peak": max(episode.peak, peak),
            "baseline": {**holdings, **episode.baseline},
            "account_limit_hit": episode.account_limit_hit or limit_hit(drawdown, account, rules),
            "recovering_since": (since or at) if recovering else None,
        }
    )


def _transition(
    level: ProtectionLevel,
    episode: Episode | None,
    drawdown: float,
    account: AccountType | None,
    at: datetime,
    rules: Rules,
) -> tuple[ProtectionLevel, Episode | None, tuple[Change, ...]]:
    if episode is None:
        return ProtectionLevel.NONE, None, ()
    needed = needed_level(drawdown, account, rules)
    if needed.rank > level.rank:
        kind = "activated" if level is ProtectionLevel.NONE else "escalated"
        return needed, episode, (_change(at, kind, level, needed, drawdown),)
    recovered = recovery(drawdown, episode.worst_drawdown)
    if recovered >= rules.end_at - TOLERANCE:
        if needed is ProtectionLevel.NONE:
            return needed, None, (_change(at, "ended", level, needed, drawdown),)
        if needed.rank < level.rank:
            return needed, episode, (_change(at, "relaxed", level, needed, drawdown),)
    held = episode.recovering_since is not None and at - episode.recovering_since >= rules.hold
    if not held or needed.rank >= level.rank:
        return level, episode, ()
    lower = list(ProtectionLevel)[level.rank - 1]
    if lower is ProtectionLevel.NONE:
        return lower, None, (_change(at, "ended", level, lower, drawdown),)
    # The next step down has to be earned anew.
    waiting = episode.model_copy(update={"recovering_since": at})
    return lower, waiting, (_change(at, "relaxed", level, lower, drawdown),)


def _change(
    at: datetime, kind: str, before: ProtectionLevel, after: ProtectionLevel, drawdown: float
) -> Change:
    return Change(at=at, kind=kind, from_level=before, to_level=after, drawdown=drawdown)
