"""What belongs to no feature: the URLs of the start page, the language switch and health."""

from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.errors import IdpError, Unavailable
from idp.storage.db import db
from idp.storage.ephemeral import EphemeralStore, FallbackStore
from idp.storage.migrate import is_current
from idp.web.avatars import avatar
from idp.web.client_logos import client_logo
from idp.web.home import home
from idp.web.locale import remember_choice
from idp.web.mailbox import mail_as_html, mailbox, one_mail
from idp.web.pages import is_local_path
from idp.web.provider import current_provider

log = structlog.get_logger("idp.health")

DEGRADED = "degraded"

blueprint = Blueprint("web", __name__)
blueprint.add_url_rule("/", "home", home)
blueprint.add_url_rule("/client-logos/<digest>", "client_logo", client_logo)
blueprint.add_url_rule("/dev/mail", "mailbox", mailbox)
blueprint.add_url_rule("/dev/mail/<mail_id>", "one_mail", one_mail)
blueprint.add_url_rule("/dev/mail/<mail_id>/html", "mail_as_html", mail_as_html)
blueprint.add_url_rule("/avatars/<name>/<int:side>.webp", "avatar", avatar)


@blueprint.get("/language/<code>")
def language(code: str) -> ResponseReturnValue:
    """Remember a language on this browser and go back."""
    target = request.args.get("next")
    response = make_response(redirect(target if target and is_local_path(target) else url_for("web.home"), 303))
    remember_choice(response, current_provider().settings, code)
    return response


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is alive. Asks nobody else, so an orchestrator does not restart us for a database's fault."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """This worker can serve: database, migrations, ephemeral store and an active signing key.

    A store that does without its Redis serves too, and says so: `degraded`.
    """
    provider = current_provider()
    checks: dict[str, str] = {}

    def check(name: str, probe: Any) -> None:
        try:
            problem = probe()
        except IdpError as error:
            problem = str(error)
        except Exception as error:  # readiness reports every fault as "not ready"
            log.warning("readiness probe failed", check=name, error=repr(error))
            problem = "unreachable"
        checks[name] = problem or "ok"

    check("database", _database_problem)
    check("migrations", lambda: None if is_current(db.engine) else "behind: run `idp db upgrade`")
    check("store", lambda: _store_state(provider.store))
    check("signing_key", _signing_key_problem)
    ready = all(value in ("ok", DEGRADED) for value in checks.values())
    return jsonify(status="ready" if ready else "not ready", checks=checks), 200 if ready else 503


def _store_state(store: EphemeralStore) -> str | None:
    store.ping()
    return DEGRADED if isinstance(store, FallbackStore) and store.is_degraded else None


def _database_problem() -> None:
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")


def _signing_key_problem() -> None:
    keyset = current_provider().keyset
    try:
        keyset.signer("RS256")
    except Unavailable:
        # A database that was migrated after this process started has no keys yet.
        keyset.ensure()
