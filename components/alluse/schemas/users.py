"""Wire types of memory-manager: what is known of a user, who is named in the path."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import Condition, Day, Fraction, RiskAppetite


def _whole_cents(amount: float) -> float:
    if abs(amount * 100 - round(amount * 100)) > 1e-4:
        raise ValueError("has more than two decimals")
    return amount


UserId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Amount = Annotated[float, Field(gt=0, le=1e10), AfterValidator(_whole_cents)]
SignedAmount = Annotated[float, Field(ge=-1e10, le=1e10), AfterValidator(_whole_cents)]


class Stage(StrEnum):
    """How far a user has come."""

    INITIAL = "initial"
    LEARNING = "learning"
    SETUP = "setup"
    ACTIVE_MANAGEMENT = "active_management"
    EXPLORATION = "exploration"


class Engagement(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Expertise(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class Pending(StrEnum):
    """What a user has still to do, or may do now."""

    ACCOUNT_SETUP = "account_setup"
    WEEK_CLASSIFICATION = "week_classification"
    ACCOUNT_FORK = "account_fork"


class UserPath(Request):
    user_id: UserId


class WeekClass(Answer):
    value: Condition
    as_of: date
    source: str = "user"


class WeekRequest(Request):
    value: Condition
    as_of: Day | None = None


class PreferencesPatch(Request):
    """What a user stated; fields left out stay as they are, null forgets."""

    risk_appetite: RiskAppetite | None = None
    income_priority: Literal["income", "growth", "balanced"] | None = None
    style: Label | None = None
    detail_level: Literal["overview", "detailed", "technical"] | None = None
    behaviour: Label | None = None
    expertise: Expertise | None = None
    max_position_size: Amount | None = None

    @model_serializer(mode="wrap")
    def _as_stated(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """On its way, too: what was left out must not arrive as null."""
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}


class Preference(Answer):
    """`stated` beats `inferred`; an inferred one says how sure it is."""

    value: str | float | None
    source: Literal["stated", "inferred"]
    confidence: Fraction = 1.0


class PreferencesAnswer(Answer):
    user_id: str
    preferences: dict[str, Preference]
