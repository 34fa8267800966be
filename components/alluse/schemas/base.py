"""The three kinds of value that travel between components.

`Value` is what a rule computes with, `Request` is what a caller sends and `Answer` is what a callee
returns. All are frozen and none can hold NaN or infinity, so a number that was never computed cannot
pass for one that was. A request with an unknown field is refused (a typing error would otherwise be
silently ignored); an answer with one is accepted (the callee may be newer than the caller).
"""

from pydantic import BaseModel, ConfigDict

#: Every reply that recommends a trade carries this sentence.
DISCLAIMER = "simulation, not investment advice"


class Value(BaseModel):
    """A frozen value with finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Request(BaseModel):
    """What a caller sends: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """What a callee returns: unknown fields are ignored by the reader."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
