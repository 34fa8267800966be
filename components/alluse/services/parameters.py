"""The protocol's parameters as configured, for the components that compute with them.

A configuration that does not hold together is refused whole and the last good one kept: half of new
limits and half of old ones would be nobody's intention. Before there was a good one the component is not
ready, because the packaged limits may be wider than those that somebody tried to set.
"""

from typing import Any

from pydantic import ValidationError

from alluse.runtime.configuration import Config
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, CheckFailedError
from alluse.runtime.service import Check
from alluse.schemas.protocol import Protocol, protocol_with


class Parameters:
    """Follows the configuration; `protocol` is the last one that was valid."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.protocol = Protocol()
        self.accepted = False
        self.problem: str | None = None
        config.on_change(self._read)

    def _read(self) -> None:
        try:
            self.protocol = protocol_with(self._config.section("protocol"))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(["protocol", *(str(part) for part in found["loc"])])
            self.problem = f"{place}: {found['msg']}"
        else:
            self.accepted, self.problem = True, None

    def check(self) -> str:
        """The detail of the health check `protocol`."""
        if self.problem is None:
            return f"configuration revision {self._config.revision}"
        if not self.accepted:
            raise CheckFailedError(self.problem)
        raise CheckDegradedError(f"the last good parameters are kept: {self.problem}")


async def open_parameters(context: Context[Parameters]) -> Parameters:
    """`open` of a component whose only state are its parameters."""
    return Parameters(context.config)


async def _check(context: Context[Any]) -> str:
    parameters: Parameters = getattr(context.state, "parameters", context.state)
    return parameters.check()


#: For components whose state is `Parameters` or has it as `parameters`.
PROTOCOL_CHECK: Check[Any] = Check("protocol", _check)
