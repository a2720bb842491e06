"""Refusals of the floors below, told by their registered codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from idp.engine.tokens import InvalidGrant as GrantRefused
from idp.engine.tokens import InvalidScope as ScopeRefused
from idp.engine.tokens import InvalidTarget as TargetRefused
from idp.oauth.errors import InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget
from idp.services.keys.jwe import NoEncryptionKey


@contextmanager
def registered_errors() -> Iterator[None]:
    """Give the engine's refusals their registered codes."""
    try:
        yield
    except GrantRefused as error:
        raise InvalidGrant(str(error), detail=error.detail) from error
    except ScopeRefused as error:
        raise InvalidScope(str(error), detail=error.detail) from error
    except TargetRefused as error:
        raise InvalidTarget(str(error), detail=error.detail) from error
    except NoEncryptionKey as error:
        # No code is registered for this; the client has to mend its keys.
        raise InvalidRequest(f"the answer cannot be encrypted for the client: {error}") from error
