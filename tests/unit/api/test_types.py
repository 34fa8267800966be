"""Spec and status as types: defaults, freezing, the form on the wire, quantities, documentation of reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tools.generate import files, reasons

from alluse_operator.api import conditions
from alluse_operator.api.quantity import amount
from alluse_operator.api.spec import COMPONENT_DEFAULTS, AllUseSystemSpec, ResourceAmounts
from alluse_operator.api.status import (
    AllUseSystemStatus,
    ComponentState,
    ComponentStatus,
    StartupStatus,
    format_time,
)


def test_an_empty_spec_has_all_defaults() -> None:
    spec = AllUseSystemSpec.model_validate({})
    assert (spec.profile, spec.environment, spec.components, spec.config) == ("WS1", "development", (), {})
    assert (spec.startup.max_parallel, spec.recovery.backoff.factor, spec.teardown.deadline_seconds) == (
        16,
        2,
        30,
    )


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        AllUseSystemSpec().environment = "production"  # type: ignore[misc]


def test_a_spec_survives_the_wire() -> None:
    wire = {
        "environment": "test",
        "components": [{"name": "a", "dependsOn": [{"name": "b"}], "env": [{"name": "X", "value": ""}]}],
    }
    spec = AllUseSystemSpec.model_validate(wire)
    again = AllUseSystemSpec.model_validate(spec.model_dump(mode="json", by_alias=True))
    assert again == spec


def test_there_is_a_default_for_whatever_must_be_known_of_a_component() -> None:
    optional = {"image", "command", "args", "env", "resources", "storage", "config"}
    unset = {field for field, value in COMPONENT_DEFAULTS if value is None}
    assert unset == optional


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", Fraction(0)), ("1", Fraction(1)), ("500m", Fraction(1, 2)), ("1.5", Fraction(3, 2)),
        ("64Mi", Fraction(64 * 2**20)), ("1k", Fraction(1000)), ("0.5Gi", Fraction(2**29)), ("2T", Fraction(2 * 10**12)),
    ],
)  # fmt: skip
def test_quantities(text: str, value: Fraction) -> None:
    assert amount(text) == value
    assert ResourceAmounts(cpu=text).cpu == text


@pytest.mark.parametrize("text", ["", "1MB", "1mm", "1iM", "-1", "1e3", "Mi", " 1", "0x1", True, 0.5])
def test_no_quantities(text: object) -> None:
    with pytest.raises(ValidationError):
        ResourceAmounts.model_validate({"cpu": text})


@given(st.from_regex(r"\A([0-9]{1,4}([.][0-9]{1,3})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?\Z"))
def test_whatever_the_type_takes_has_an_amount(text: str) -> None:
    quantity = ResourceAmounts(memory=text).memory
    assert quantity is not None
    assert amount(quantity) >= 0


def test_a_number_is_a_quantity_as_for_kubernetes() -> None:
    assert ResourceAmounts.model_validate({"cpu": 2}).cpu == "2"


@pytest.mark.parametrize("text", ["1MiB", "1mm", "1iM"])
def test_an_unknown_unit_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        amount(text)


def test_times_are_written_in_utc_with_whole_seconds() -> None:
    moment = datetime(2026, 1, 2, 5, 4, 5, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-01-02T03:04:05Z"


def test_a_status_is_stored_without_what_is_not_known() -> None:
    status = AllUseSystemStatus(
        observed_generation=3,
        components=(ComponentStatus(name="a", state=ComponentState.WAITING, attempts=0),),
        startup=StartupStatus(started_at=datetime(2026, 1, 2, tzinfo=UTC)),
    )
    assert status.to_json() == {
        "observedGeneration": 3,
        "conditions": [],
        "components": [{"name": "a", "state": "Waiting", "attempts": 0}],
        "startup": {"startedAt": "2026-01-02T00:00:00Z"},
    }


@pytest.mark.parametrize("kind", [conditions.ConditionType, conditions.Reason, conditions.ComponentReason])
def test_every_reason_says_when_it_is_used(kind: type[conditions.Reason]) -> None:
    assert [name for name, _ in reasons.documented(kind)] == [member.value for member in kind]


def test_the_generated_files_are_fresh() -> None:
    assert files.stale() == [], "run `make generate`"
