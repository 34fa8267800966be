"""What can go wrong between a person and the system, each said with what to do about it.

ClientError
├── UsageError         the command cannot be carried out as it was given
├── ConnectError       the system cannot be reached
└── AnsweredError      a component answered with an error
"""


class ClientError(Exception):
    """`remedy` is a sentence about what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


class UsageError(ClientError):
    pass


class ConnectError(ClientError):
    pass


class AnsweredError(ClientError):
    """The component's own explanation, with its status."""

    def __init__(self, component: str, status: int, detail: str, remedy: str = "") -> None:
        super().__init__(f"{component} answers {status}: {detail}", remedy)
        self.component = component
        self.status = status
