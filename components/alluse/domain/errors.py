"""Errors of the rules. Each says which field is wrong and what would be right; none is worth a retry.

DomainError
├── InvalidInputError        a value that no rule can use                     → 422
├── UnknownSymbolError       no data are shipped for the symbol               → 404
└── InsufficientDataError    valid, but too little where a number is required → 409
"""


class DomainError(ValueError):
    """A rule cannot answer; `field` names the input that has to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class InvalidInputError(DomainError):
    """A value lies outside what the rule is defined for."""


class UnknownSymbolError(DomainError):
    """No data are shipped for a symbol and none were given."""


class InsufficientDataError(DomainError):
    """There are fewer observations than the rule needs."""
