"""The session of the browser that is asking."""

from dataclasses import dataclass

from flask import Response, after_this_request, g

from idp.core.crypto import sha256_hex
from idp.core.randomness import new_token
from idp.identity.sessions.rows import Session
from idp.services.limits.pending import visitor_at
from idp.web.cookies import (
    BROWSER_STATE,
    SESSION,
    browser_id,
    read_accounts,
    read_cookie,
    set_cookie,
    write_accounts,
)
from idp.web.hooks import request_address
from idp.web.provider import current_provider


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session opened or renewed during this request, and the cookie value that proves it."""

    session: Session
    token: str


def current_session() -> Session | None:
    """The live session of this browser, whose user is active. Looked up once a request."""
    if "browser_session" not in g:
        provider = current_provider()
        token = read_cookie(provider.settings, SESSION)
        session = provider.sessions.find(token) if token else None
        if session is not None:
            user = provider.users.get(session.user_id)
            if user is None or not user.is_active:
                session = None
            else:
                # For the pages; asked for here because a page that reports a fault must not ask again.
                g.user_locales = (user.locale,) if user.locale else ()
                g.user_theme = user.theme
        g.browser_session = session
    return g.browser_session  # type: ignore[no-any-return]


def send_session(response: Response, new: NewSession) -> None:
    """Give the browser its session, and remember the account for the chooser and the throttle."""
    provider = current_provider()
    settings = provider.settings
    set_cookie(response, settings, SESSION, new.token, settings.lifetimes.session_absolute)
    if settings.features.session_management:
        _send_browser_state(response, new_token(128))
    accounts = read_accounts(settings, provider.secrets)
    write_accounts(response, settings, provider.secrets, (new.session.user_id, *accounts))
    g.browser_session = new.session


def forget_session(response: Response) -> None:
    """Take the session cookie away; the account stays in the chooser."""
    settings = current_provider().settings
    set_cookie(response, settings, SESSION, "", 0)
    if settings.features.session_management:
        set_cookie(response, settings, BROWSER_STATE, "", 0, for_frames=True)
    g.browser_session = None


def browser_state() -> str:
    """What applications may watch, salted and hashed; made during this request if the session is older than that."""
    state = read_cookie(current_provider().settings, BROWSER_STATE)
    if state is not None:
        return state
    made = new_token(128)

    @after_this_request
    def _send(response: Response) -> Response:
        _send_browser_state(response, made)
        return response

    return made


def _send_browser_state(response: Response, state: str) -> None:
    settings = current_provider().settings
    set_cookie(response, settings, BROWSER_STATE, state, settings.lifetimes.session_absolute, for_frames=True)


def current_visitor() -> str | None:
    """Who answers for what anybody may begin: a browser on which people have signed in before, else its address.

    So nobody whose neighbours, or whose neighbours' visitors, begin too much is kept from a browser of their own.
    None if there is no address to go by.
    """
    if known_accounts():
        return f"browser:{sha256_hex(browser_id(current_provider().settings))}"
    return visitor_at(request_address())


def known_accounts() -> tuple[str, ...]:
    """User ids that signed in on this browser before."""
    provider = current_provider()
    return read_accounts(provider.settings, provider.secrets)
