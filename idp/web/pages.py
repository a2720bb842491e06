"""Rendering of hosted pages: what every template may rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, make_response, render_template, request, url_for
from flask_babel import get_locale

from idp import __version__
from idp.core.randomness import new_token
from idp.identity.clients.client import Client
from idp.identity.directory.users import User
from idp.web.avatars import avatar_url
from idp.web.client_logos import logo_url
from idp.web.csrf import csrf_token
from idp.web.locale import LANGUAGES
from idp.web.provider import current_provider
from idp.web.theme import page_theme


@dataclass(frozen=True, slots=True)
class PageError:
    """One thing to put right: the field it belongs to (or None) and the sentence to show."""

    field: str | None
    message: Any


@dataclass(frozen=True, slots=True)
class ClientView:
    """What pages show of a client. Names and links are the client's claims about itself: escaped, never trusted."""

    name: str
    host: str | None
    logo_uri: str | None
    """On our own origin: a remote image would tell its host who signs in."""
    policy_uri: str | None
    tos_uri: str | None
    home_uri: str | None
    initial: str


@dataclass(frozen=True, slots=True)
class UserView:
    """What pages show of a user."""

    id: str
    name: str
    email: str | None
    initials: str
    picture: str | None = None
    """On our own origin, if the person uploaded one."""


def client_view(client: Client | None) -> ClientView | None:
    """The client as a page shows it, in the page's language."""
    if client is None:
        return None
    locale = str(get_locale())
    name = client.text("client_name", locale) or client.client_id
    return ClientView(
        name=name,
        host=client.host,
        logo_uri=logo_url(client),
        policy_uri=client.text("policy_uri", locale),
        tos_uri=client.text("tos_uri", locale),
        home_uri=client.text("client_uri", locale),
        initial=name[:1].upper(),
    )


def user_view(user: User) -> UserView:
    """The user as a page shows them."""
    words = user.display_name.split()
    initials = "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()
    return UserView(user.id, user.display_name, user.email, initials or "?", avatar_url(user))


def render_page(
    template: str,
    *,
    status: int = 200,
    client: Client | None = None,
    errors: tuple[PageError, ...] = (),
    **context: Any,
) -> Response:
    """A hosted page. Personal, therefore never cached."""
    view = client_view(client)
    body = render_template(
        template,
        client=view,
        back_url=view.home_uri if view else None,
        errors=errors,
        **context,
    )
    response = make_response(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def use_script_nonce() -> str:
    """Allow one inline script on this page; returns the nonce that it has to carry."""
    g.csp_nonce = new_token(128)
    return str(g.csp_nonce)


def allow_frames(origins: Sequence[str]) -> None:
    """Let this page load frames from these origins."""
    g.frame_sources = tuple(origins)


def withhold_referrer() -> None:
    """Tell nobody the address of this page, not even this server's own files: it carries a secret."""
    g.withholds_referrer = True


def install_pages(app: Flask) -> None:
    """Give every template its common context."""

    @app.context_processor
    def _common() -> dict[str, Any]:
        settings = current_provider().settings
        locale = get_locale()
        return {
            "product_name": settings.product_name,
            "locale": str(locale).replace("_", "-"),
            "text_dir": locale.text_direction if locale else "ltr",
            "languages": language_links(request.path if request.method == "GET" else None),
            "theme": page_theme(settings),
            "support_url": settings.support_url,
            "request_id": g.get("request_id"),
            "csrf_token": csrf_token(),
            "asset": _asset,
            "client": None,
            "back_url": None,
            "errors": (),
            "csp_nonce": g.get("csp_nonce"),
        }


def _asset(name: str) -> str:
    # The version makes a new release's files new to every cache.
    return url_for("static", filename=name, v=__version__)


def language_links(here: str | None) -> list[tuple[str, str, str]]:
    """What switches the language and comes back: code, name and URL of each. `here` is None for the start page."""
    return [(code, name, url_for("web.language", code=code, next=here)) for code, name in LANGUAGES.items()]


def is_local_path(target: str | None) -> bool:
    """True for a path on this server and nothing that a browser could take elsewhere (WB4)."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return False
    if any(ord(char) < 0x21 for char in target) or "\\" in target:
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc
