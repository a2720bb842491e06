"""Data and privacy: what is held about the person, a copy of it, what they allowed and accepted, and leaving."""

from typing import Any

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from idp.account.data_texts import describe
from idp.account.guard import Account, account_page
from idp.account.moments import moment, zone_name
from idp.account.pages import render_account
from idp.engine.privacy.exports import Export
from idp.engine.privacy.map import PERSONAL
from idp.web import texts
from idp.web.pages import PageError
from idp.web.provider import current_provider

MOST_ENTRIES = 50
"""Of each history; the copy has them all."""


@account_page()
def data(account: Account) -> ResponseReturnValue:
    """GET /account/data: what is held about the person, and what they can do about it."""
    return data_page(account)


def data_page(account: Account, errors: tuple[PageError, ...] = (), status: int = 200) -> ResponseReturnValue:
    """The page."""
    provider = current_provider()
    export = provider.exports.latest(account.user.id)
    return render_account(
        account,
        "account/data.html",
        section="account.data",
        status=status,
        errors=errors,
        copy=_copy(account, export) if export else None,
        request_url=url_for("account.request_copy"),
        held=[describe(entry.section) for entry in PERSONAL],
        permissions=_permissions(account),
        terms=_terms(account),
        officer=provider.settings.privacy.data_protection_officer,
        deactivate_url=url_for("account.deactivate"),
        delete_url=url_for("account.delete"),
        zone=zone_name(account.user),
    )


def _copy(account: Account, export: Export) -> dict[str, Any]:
    return {
        "is_ready": export.is_ready,
        "requested_at": moment(account.user, export.requested_at),
        "expires_at": moment(account.user, export.expires_at),
        "kilobytes": max(1, export.size // 1000),
        "url": url_for("account.download_copy"),
    }


def _permissions(account: Account) -> list[dict[str, Any]]:
    provider = current_provider()
    locale = str(get_locale())
    entries = []
    for record in provider.consents.history(account.user.id)[:MOST_ENTRIES]:
        client = provider.clients.get(record.client_id)
        entries.append(
            {
                "name": (client.text("client_name", locale) if client else None) or record.client_id,
                "is_withdrawn": record.action == "withdrawn",
                "by_operator": record.decided_by == "operator",
                "scopes": [texts.scope_description(scope) for scope in record.scopes],
                "at": moment(account.user, record.at),
            }
        )
    return entries


def _terms(account: Account) -> list[dict[str, Any]]:
    return [
        {
            "is_privacy": acceptance.document == "privacy",
            "version": acceptance.version,
            "url": acceptance.url,
            "at": moment(account.user, acceptance.accepted_at),
        }
        for acceptance in current_provider().terms.history(account.user.id)[:MOST_ENTRIES]
    ]
