"""Errors that cross floors. A door turns each into the right response; none ever becomes a 500."""


class IdpError(Exception):
    """Base of the product's own errors. `str(error)` is a sentence fit for an operator."""


class ConfigurationError(IdpError):
    """The settings are unsafe or incomplete; the message says what to set."""


class Unavailable(IdpError):
    """A dependency is down. Doors answer 503 with Retry-After, and nothing was changed."""


class TooMany(IdpError):
    """Somebody has begun too much and finished too little. Doors answer 429 with Retry-After.

    `retry_after` is in seconds; `is_first` says that nobody was told yet, so that it is recorded once.
    """

    def __init__(self, retry_after: int, *, is_first: bool) -> None:
        super().__init__("too much was begun and not finished")
        self.retry_after = retry_after
        self.is_first = is_first


class NotFound(IdpError):
    """The record that was named does not exist."""


class Conflict(IdpError):
    """The change contradicts what is stored (a taken e-mail address, a lost update)."""


class Invalid(IdpError):
    """The input breaks a rule; `field` names which input, where one is to blame.

    `detail` is what strangers must not learn, such as how a server answered us: for operators and the audit trail.
    """

    def __init__(self, message: str, field: str | None = None, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.detail = detail
