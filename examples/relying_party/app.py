"""A web application that signs people in with idp, on Authlib's Flask client.

Run it with `python -m examples.relying_party.app`; `make demo` does. The configuration is what any OpenID
Connect client has, from the environment: `OIDC_ISSUER`, `OIDC_CLIENT_ID`, `OIDC_CLIENT_SECRET`, `ORDERS_URL`.
"""

import logging
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from flask import Blueprint, Flask, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from joserfc.errors import JoseError
from werkzeug.serving import make_server

from examples.relying_party.jwt_reading import unverified_parts
from examples.relying_party.visits import Visit, Visits, pretty

SCOPE = "openid profile email address phone offline_access orders:read"
ORDERS_API = "https://orders.example.com"
TIMEOUT_SECONDS = 10

PROBLEMS = {
    "access_denied": "The sign-in was cancelled or not allowed",
    "login_required": "You are not signed in at idp",
    "consent_required": "idp has to ask you first",
    "interaction_required": "idp has to ask you first",
    "account_selection_required": "idp has to ask which account you mean",
    "invalid_grant": "This sign-in has ended",
    "mismatching_state": "This answer belongs to no sign-in that was begun here",
    "invalid_client": "idp does not know this application",
    "temporarily_unavailable": "idp cannot answer right now",
}
"""What an error code means to the person who meets it; the code is for developers."""

pages = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """How this relying party is registered, and where things are."""

    issuer: str = "http://localhost:8000"
    client_id: str = "demo-web"
    client_secret: str = "demo-web-secret-0123456789abcdef"
    base_url: str = "http://localhost:9000"
    orders_url: str = "http://localhost:9001/orders"

    @classmethod
    def from_environment(cls) -> "Configuration":
        """The configuration of the demo, changed by what the environment says."""
        return cls(
            issuer=os.environ.get("OIDC_ISSUER", cls().issuer),
            client_id=os.environ.get("OIDC_CLIENT_ID", cls().client_id),
            client_secret=os.environ.get("OIDC_CLIENT_SECRET", cls().client_secret),
            base_url=f"http://localhost:{_port()}",
            orders_url=os.environ.get("ORDERS_URL", cls().orders_url),
        )


def create_app(configuration: Configuration | None = None) -> Flask:
    """Build the relying party."""
    configuration = configuration or Configuration()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        # Cookies ignore ports: without a name of its own this would collide with others on localhost.
        SESSION_COOKIE_NAME="demo_relying_party",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
    )
    oauth = OAuth(app)
    oauth.register(
        "idp",
        client_id=configuration.client_id,
        client_secret=configuration.client_secret,
        # Everything else, endpoints and keys included, comes from discovery.
        server_metadata_url=f"{configuration.issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", "default_timeout": TIMEOUT_SECONDS},
    )
    app.extensions["demo"] = (configuration, oauth, Visits())
    app.add_template_filter(pretty, "pretty")
    app.register_blueprint(pages)
    app.register_error_handler(AuthlibBaseError, _protocol_problem)
    app.register_error_handler(JoseError, _untrusted_token)
    app.register_error_handler(requests.RequestException, _service_problem)
    app.after_request(_headers)
    return app


def _configuration() -> Configuration:
    configuration: Configuration = current_app.extensions["demo"][0]
    return configuration


def _idp() -> FlaskOAuth2App:
    oauth: OAuth = current_app.extensions["demo"][1]
    return oauth.idp


def _visits() -> Visits:
    visits: Visits = current_app.extensions["demo"][2]
    return visits


@pages.get("/")
def home() -> ResponseReturnValue:
    """The signed-in page, or an invitation to sign in. Also where idp returns to after signing out."""
    if "state" in request.args:
        return _goodbye()
    configuration = _configuration()
    visit = _visits().get(session.get("visit"))
    if visit is None:
        return render_template("home.html", configuration=configuration, goodbye=session.pop("goodbye", False))
    # What an API answered is shown once.
    answer, visit.answer = visit.answer, None
    return render_template(
        "signed_in.html",
        configuration=configuration,
        visit=visit,
        answer=answer,
        id_token=unverified_parts(visit.tokens["id_token"]),
        access_token=unverified_parts(visit.tokens["access_token"]),
    )


def _goodbye() -> ResponseReturnValue:
    """The way back from idp's sign-out, if it answers the one that was begun here."""
    with suppress(AuthlibBaseError):
        _idp().validate_logout_response()
        session["goodbye"] = True
    return redirect(url_for("pages.home"), 303)


@pages.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """There is none, and nobody need complain about it."""
    return "", 204


@pages.get("/login")
def login() -> ResponseReturnValue:
    """Send the browser to idp. Authlib makes state, nonce and PKCE verifier and keeps them in the cookie."""
    extra = {
        name: request.args[name]
        for name in ("prompt", "max_age", "login_hint", "ui_locales", "acr_values")
        if name in request.args
    }
    response: ResponseReturnValue = _idp().authorize_redirect(f"{_configuration().base_url}/callback", **extra)
    return response


@pages.get("/callback")
def callback() -> ResponseReturnValue:
    """Take the authorization response: check it, redeem the code, verify the ID token."""
    idp = _idp()
    issuer = idp.load_server_metadata()["issuer"]
    # RFC 9207: a response from another authorization server is not ours to redeem.
    if request.args.get("iss", issuer) != issuer:
        raise AuthlibBaseError("mix_up", "The authorization response comes from another issuer.")
    tokens = idp.authorize_access_token()
    claims = dict(tokens.pop("userinfo"))
    visit = Visit(tokens=tokens, id_token_claims=claims, user_info=_user_info(tokens, claims["sub"]))
    # Authlib has removed the state of this sign-in; another one may be under way in a second tab.
    session["visit"] = _visits().add(visit)
    return redirect(url_for("pages.home"), 303)


def _user_info(tokens: dict[str, Any], subject: str) -> dict[str, Any]:
    info = dict(_idp().userinfo(token=tokens))
    # OpenID Connect Core §5.3.2: the answer counts only if it is about the same subject.
    if info.get("sub") != subject:
        raise AuthlibBaseError("subject_mismatch", "UserInfo speaks of another subject than the ID token.")
    return info


@pages.post("/orders")
def orders() -> ResponseReturnValue:
    """Call the orders API with the access token and show what it answers."""
    visit = _visits().get(session.get("visit"))
    if visit is not None:
        response = requests.get(
            _configuration().orders_url,
            headers={"Authorization": f"Bearer {visit.tokens['access_token']}"},
            timeout=TIMEOUT_SECONDS,
        )
        visit.show("Orders API", response)
    return redirect(url_for("pages.home"), 303)


@pages.post("/userinfo")
def userinfo() -> ResponseReturnValue:
    """Ask UserInfo again, with the present access token."""
    visit = _visits().get(session.get("visit"))
    if visit is not None:
        visit.user_info = _user_info(visit.tokens, visit.id_token_claims["sub"])
    return redirect(url_for("pages.home"), 303)


@pages.post("/refresh")
def refresh() -> ResponseReturnValue:
    """Trade the refresh token for new tokens (RFC 6749 §6)."""
    visit = _visits().get(session.get("visit"))
    if visit is not None and "refresh_token" in visit.tokens:
        idp = _idp()
        # The scope that was granted: Authlib would ask for the configured one, which the person may have narrowed.
        new = idp.fetch_access_token(
            grant_type="refresh_token",
            refresh_token=visit.tokens["refresh_token"],
            scope=visit.tokens.get("scope", ""),
        )
        if "id_token" in new:
            claims = dict(idp.parse_id_token(new, nonce=None))
            # OpenID Connect Core §12.2: a refreshed ID token is about the same person.
            if claims["sub"] != visit.id_token_claims["sub"]:
                raise AuthlibBaseError("subject_mismatch", "The refreshed ID token is about another subject.")
            visit.id_token_claims = claims
        visit.tokens = {**visit.tokens, **new}
        visit.refreshed += 1
    return redirect(url_for("pages.home"), 303)


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    """Sign out here, then at idp (OpenID Connect RP-Initiated Logout 1.0)."""
    visit = _visits().remove(session.get("visit"))
    session.clear()
    if visit is None:
        return redirect(url_for("pages.home"), 303)
    response: ResponseReturnValue = _idp().logout_redirect(
        post_logout_redirect_uri=f"{_configuration().base_url}/",
        id_token_hint=visit.tokens["id_token"],
        client_id=_configuration().client_id,
    )
    return response


def _protocol_problem(error: AuthlibBaseError) -> ResponseReturnValue:
    """An error that idp sent through the browser or answered at the token endpoint."""
    title = PROBLEMS.get(error.error, "That did not work")
    return render_template("problem.html", title=title, message=error.description, code=error.error), 400


def _untrusted_token(error: JoseError) -> ResponseReturnValue:
    return render_template("problem.html", title="The ID token is not acceptable", message=str(error)), 400


def _service_problem(error: requests.RequestException) -> ResponseReturnValue:
    """UserInfo refused the token, which is an answer; or something did not answer."""
    if error.response is not None and error.response.status_code == 401:
        message = "It has expired or was revoked, or the session it came from has ended. Refresh it, or sign in again."
        title = "The access token is not accepted any more"
        return render_template("problem.html", title=title, message=message, code="invalid_token"), 401
    url = str(error.request.url) if error.request is not None else _configuration().issuer
    said = f"answered {error.response.status_code}" if error.response is not None else "does not answer"
    return render_template("problem.html", title="A service is not available", message=f"{url} {said}."), 502


def _headers(response: Any) -> Any:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src https: http:; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _port() -> int:
    return int(os.environ.get("PORT", "9000"))


def main() -> None:
    """Serve on `PORT` (default 9000) of this machine only."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line per request
    make_server("127.0.0.1", _port(), create_app(Configuration.from_environment()), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
