"""The protocol's parameters: defaults, overrides, and what does not hold together."""

from typing import Any

import pytest
from pydantic import ValidationError

from alluse.schemas.common import AccountType, Condition
from alluse.schemas.protocol import Protocol, protocol_with


def test_the_defaults_survive_their_own_json() -> None:
    assert Protocol.model_validate_json(Protocol().model_dump_json()) == Protocol() == protocol_with({})


def test_the_yearly_effect_of_the_weekly_targets_is_what_nobody_should_promise() -> None:
    targets = [(1 + rules.weekly_return_target) ** 52 - 1 for rules in Protocol().accounts.values()]
    assert targets == pytest.approx([1.169, 0.678, 0.296], abs=1e-3)


def test_an_override_changes_its_value_alone() -> None:
    changed = protocol_with({"accounts": {"GEN_ACC": {"max_position": 0.05}}, "sectors": {"ZZZ": "Energy"}})
    assert changed.account(AccountType.GEN_ACC).max_position == 0.05
    assert changed.account(AccountType.GEN_ACC).max_exposure == 0.80
    assert changed.account(AccountType.REV_ACC) == Protocol().account(AccountType.REV_ACC)
    assert changed.sectors["ZZZ"] == "Energy"
    assert changed.sectors["AAPL"] == "Technology"


def test_names_are_matched_whatever_their_case() -> None:
    changed = protocol_with(
        {"accounts": {"gen_acc": {"MAX_POSITION": 0.05}}, "size": {"condition": {"green": 1}}}
    )
    assert changed.account(AccountType.GEN_ACC).max_position == 0.05
    assert changed.size.condition[Condition.GREEN] == 1


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"accounts": {"GEN_ACC": {"share": 0.5}}}, "sum to 1"),
        ({"accounts": {"GEN_ACC": {"delta_band": {"low": 0.6}}}}, "below its high end"),
        ({"accounts": {"GEN_ACC": {"max_position": 1.5}}}, "less than or equal to 1"),
        ({"accounts": {"FREE_ACC": {"share": 0.0}}}, "accounts"),
        ({"fork": {"trigger": 1}}, "Extra inputs"),
        ({"tail_shock": {"shock": 0.2}}, "less than 0"),
        ({"size": {"condition": {"Green": float("nan")}}}, "finite number"),
        ({"reinvestment": {"leaps_share": 0.5}}, "sum to 1"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_what_does_not_hold_together_is_refused(overrides: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        protocol_with(overrides)


def test_a_table_of_factors_must_be_complete() -> None:
    tables = Protocol().size.model_dump()
    del tables["condition"]["Red"]
    with pytest.raises(ValidationError, match="condition lacks Red"):
        Protocol.model_validate({"size": tables})
