"""Texts about risk, drawdown and performance, and what was booked."""

from collections.abc import Mapping, Sequence

from alluse.domain.replies import SIMULATION, day, fit, fit_lines, numbered, percent, steps, usd
from alluse.schemas.drawdown import ActivateAnswer, ProtectionLevel
from alluse.schemas.ledger import AccountView, BookingAnswer, EntryKind, Performance
from alluse.schemas.risk import Assessment

_KEPT = {
    ProtectionLevel.LIGHT: "only symbols with a 21-day volatility above 35 % are reduced, by a fifth",
    ProtectionLevel.MODERATE: "reduce every position",
    ProtectionLevel.AGGRESSIVE: "reduce every position",
    ProtectionLevel.EMERGENCY: "close the riskiest positions first",
}


def risk_text(assessed: Sequence[tuple[AccountView, Assessment]], notes: Sequence[str]) -> str:
    lines = []
    for account, found in assessed:
        var = (
            f"value at risk 95 % over one day {usd(found.var.level_95.usd)}"
            if found.var is not None
            else "no value at risk (nothing to measure)"
        )
        breaches = (
            f" Limits broken: {', '.join(each.kind for each in found.breaches)}." if found.breaches else ""
        )
        lines.append(
            f"{account.type.display} ({usd(account.balance)}): risk {found.overall_risk_level.value}, score "
            f"{found.risk_score:.2f} of 1, {var}, drawdown {percent(found.current_drawdown)}, data "
            f"{found.data_quality.value} of {day(found.as_of)}.{breaches}"
        )
    return fit_lines(
        "Risk of your accounts, as far as the ledger knows them (cash; no positions are kept):",
        numbered(lines),
        " ".join([*notes, SIMULATION]),
    )


def protection_text(found: ActivateAnswer, whose: str) -> str:
    level = found.protection_level
    if level is ProtectionLevel.NONE:
        fall = percent(found.current_drawdown)
        return f"{whose}: a drawdown of {fall} needs no protection (it begins at 5 %)."
    keep = percent(found.exposure_factor, 0)
    stop = " Enter nothing new." if found.stop_new_entries else ""
    how = _KEPT[level]
    return (
        f"{whose}: a drawdown of {percent(found.current_drawdown)} calls for protection level {level.value}: "
        f"{how}, to {keep} of the exposure at the start of the fall.{stop}"
    )


def drawdown_text(lines: Sequence[str], asked: bool, notes: Sequence[str]) -> str:
    ahead = (
        "Whole contracts round the remaining size down. Protection relaxes one level when half of the fall "
        "is recovered and held for 24 hours, and ends at nine tenths."
    )
    basis = (
        "The percentage counts as the fall from the highest value to now."
        if asked
        else "These are the falls that the ledger knows; of another one, tell me the percentage."
    )
    closing = "\n".join(each for each in (ahead, basis, *notes, SIMULATION))
    return fit_lines("The drawdown rule says:", numbered(lines), closing)


def loss_note(lost: float, total: float) -> str:
    """Where the percentage comes from when an amount was named."""
    return f"{usd(lost)} lost are {percent(lost / total)} of the {usd(total)} that the ledger holds."


def performance_text(found: Performance) -> str:
    def part(name: str, value: float | None) -> str:
        return f"{name} {percent(value, 2)}" if value is not None else ""

    figures = [
        part("total return", found.total_return),
        part("return per year", found.annualised_return),
        part("volatility", found.volatility),
        part("largest drawdown", found.max_drawdown),
        f"Sharpe ratio {found.sharpe:.2f}" if found.sharpe is not None else "",
    ]
    told = ", ".join(each for each in figures if each) or "no return yet"
    notes = f" Not computed: {'; '.join(found.notes)}." if found.notes else ""
    return fit(
        [
            f"Performance report from {day(found.first_day)} to {day(found.last_day)}: value "
            f"{usd(found.value)}, {told} (time-weighted, from the ledger, past only).{notes}",
            "To track it: each premium, fee, deposit and withdrawal that is booked changes the report; ask "
            "how am I doing at any time.",
        ]
    )


def fork_text(found: BookingAnswer) -> str:
    moved = [entry for entry in found.entries if entry.kind is EntryKind.FORK]
    names = {each.account_id: each.type.display for each in found.accounts}
    lines = [
        f"{names.get(entry.account_id, entry.account_id)}: {entry.amount:+,.2f} USD, balance "
        f"{usd(entry.balance)}."
        for entry in moved
    ]
    return fit(["The Gen-Acc is split:", steps(lines), "The sum of all balances is unchanged."])


def reinvest_text(found: BookingAnswer) -> str:
    names = {each.account_id: each.type.display for each in found.accounts}
    sums: Mapping[str, float] = {
        ref: sum(entry.set_aside for entry in found.entries if entry.ref == ref)
        for ref in ("contracts", "leaps")
    }
    touched = sorted({names.get(entry.account_id, entry.account_id) for entry in found.entries})
    return (
        f"Reinvested in {' and '.join(touched)}: {usd(sums['contracts'])} set aside for contracts and "
        f"{usd(sums['leaps'])} for LEAPS. Balances are unchanged."
    )


def refused_text(what: str, why: str) -> str:
    """Something the ledger's rules do not allow now."""
    return f"{what} is not possible now: {why}."
