"""Errors that cross floors. A door turns each into the right response; none ever becomes a 500."""


class IdpError(Exception):
    """Base of the product's own errors. `str(error)` is a sentence fit for an operator."""


class ConfigurationError(IdpError):
    """The settings are unsafe or incomplete; the message says what to set."""


class Unavailable(IdpError):
    """A dependency is down. Doors answer 503 with Retry-After, and nothing was changed."""


class NotFound(IdpError):
    """The record that was named does not exist."""


class Conflict(IdpError):
    """The change contradicts what is stored (a taken e-mail address, a lost update)."""


class Invalid(IdpError):
    """The input breaks a rule; `field` names which input, where one is to blame."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
