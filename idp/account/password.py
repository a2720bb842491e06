"""Changing the password: the one that is known for one that is new."""

from flask import request, url_for
from flask.typing import ResponseReturnValue

from idp.account.current_password import NotProven, prove_password
from idp.account.guard import Account, account_page
from idp.account.notices import PASSWORD_CHANGED, PASSWORD_CHANGED_HERE_ONLY, redirect_with
from idp.account.pages import render_account
from idp.core.errors import Conflict, NotFound
from idp.identity.credentials.password_normalization import normalize
from idp.identity.credentials.password_policy import Violation, minimum_length
from idp.identity.credentials.passwords import WeakPassword
from idp.storage.db import transaction
from idp.web import texts
from idp.web.browser_session import NewSession, send_session
from idp.web.pages import PageError
from idp.web.provider import current_provider


@account_page(fresh=True)
def password(account: Account) -> ResponseReturnValue:
    """GET and POST /account/password: replace the password."""
    return _submitted(account) if request.method == "POST" else _form(account)


def _submitted(account: Account) -> ResponseReturnValue:
    typed, new = request.form.get("password", ""), request.form.get("new_password", "")
    sign_out_others = "sign_out_others" in request.form
    if not typed or not new:
        missing = (
            (typed, "password", texts.ENTER_CURRENT_PASSWORD),
            (new, "new_password", texts.ENTER_NEW_PASSWORD),
        )
        errors = tuple(PageError(name, message) for value, name, message in missing if not value)
        return _form(account, errors, 422, sign_out_others=sign_out_others)
    try:
        renewed = _replace(account, typed, new, sign_out_others=sign_out_others)
    except NotProven as refusal:
        return _form(account, (refusal.error,), refusal.status, sign_out_others=sign_out_others)
    except WeakPassword as refusal:
        errors = tuple(PageError("new_password", texts.password_problem(one)) for one in refusal.violations)
        return _form(account, errors, 422, sign_out_others=sign_out_others)
    except (Conflict, NotFound):
        # Changed from elsewhere while this was under way; if the session ended with it, the next page says so.
        return _form(account, (PageError(None, texts.CHANGED_MEANWHILE),), 409, sign_out_others=sign_out_others)
    notice = PASSWORD_CHANGED if sign_out_others else PASSWORD_CHANGED_HERE_ONLY
    response = redirect_with(notice, url_for("account.security"))
    send_session(response, renewed)
    return response


def _replace(account: Account, typed: str, new: str, *, sign_out_others: bool) -> NewSession:
    """Raises NotProven, WeakPassword, Conflict or NotFound; then nothing was changed."""
    provider = current_provider()
    credential = prove_password(account, typed)
    prepared = provider.passwords.prepare(
        new, _context_words(account), user_id=account.user.id, with_mfa=_has_second_factor(account)
    )
    if normalize(new) == normalize(typed):
        # Whatever the settings say of former passwords: this would be no change.
        raise WeakPassword([Violation("reused")])
    with transaction():
        renewed = provider.lifecycle.replace_password(
            account.session, prepared, credential=credential, sign_out_others=sign_out_others
        )
        provider.notices.password_changed(account.user.id)
    return NewSession(*renewed)


def _has_second_factor(account: Account) -> bool:
    """Then they are never signed in by the password alone, and a shorter one will do."""
    return current_provider().totp.is_enrolled(account.user.id)


def _context_words(account: Account) -> list[str]:
    """What a stranger would try first: the person's names and address, and the name of this service."""
    user = account.user
    words = (user.email, user.name, user.given_name, user.family_name, user.nickname, user.preferred_username)
    return [word for word in (*words, current_provider().settings.product_name) if word]


def _form(
    account: Account, errors: tuple[PageError, ...] = (), status: int = 200, *, sign_out_others: bool = True
) -> ResponseReturnValue:
    """The page. What was typed is never given back."""
    return render_account(
        account,
        "account/password.html",
        section="account.security",
        status=status,
        errors=errors,
        minimum=minimum_length(current_provider().settings.passwords, with_mfa=_has_second_factor(account)),
        sign_out_others=sign_out_others,
        action=url_for("account.password"),
        cancel_url=url_for("account.security"),
    )
