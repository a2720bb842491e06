"""Another e-mail address: where it is entered, and where its code is."""

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from idp.account.claim_forms import editable
from idp.account.guard import Account, account_page
from idp.account.notices import EMAIL_CHANGED, redirect_with
from idp.account.pages import PROFILE, render_account
from idp.core.errors import Invalid, TooMany
from idp.core.randomness import is_identifier
from idp.identity.credentials.mailed_proofs import CodeVerdict
from idp.web import texts
from idp.web.pages import PageError, withhold_referrer
from idp.web.provider import current_provider
from idp.web.typed_code import typed_code


@account_page(fresh=True)
def email_change(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/email: ask for another address. Nothing changes before it is proven."""
    editable(("email",))
    if request.method == "GET":
        return _form(account)
    typed = request.form.get("email", "").strip()
    if not typed:
        return _form(account, texts.ENTER_EMAIL)
    try:
        attempt = current_provider().email_change.request(account.user, typed)
    except Invalid as refusal:
        return _form(account, _refusal(refusal), typed)
    except TooMany as refusal:
        return _form(account, texts.too_many_attempts(refusal.retry_after), typed, status=429)
    return _to_code(attempt)


@account_page(form="account.email_change")
def email_change_code(account: Account, attempt: str) -> ResponseReturnValue:
    """GET and POST /account/profile/email/<attempt>: the code that was mailed to the new address."""
    editable(("email",))
    if request.method == "GET":
        return _code_page(account, attempt)
    code, problem = typed_code()
    if problem is not None:
        return _code_page(account, attempt, problem)
    verdict = (
        current_provider().email_change.try_code(account.user, attempt, code, session_id=account.session.id)
        if is_identifier(attempt)
        else CodeVerdict.OVER
    )
    if verdict is CodeVerdict.RIGHT:
        return redirect_with(EMAIL_CHANGED, url_for("account.profile"))
    if verdict is CodeVerdict.WRONG:
        return _code_page(account, attempt, _("The code is incorrect. Look for it in the newest mail."))
    return _code_page(account, attempt, _("The code does not work any more. Ask for a new one."))


@account_page()
def email_change_link(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/email/link: the link in that mail. Looking does nothing, the button works once."""
    editable(("email",))
    withhold_referrer()
    changes, token = current_provider().email_change, request.values.get("token", "")
    if request.method == "POST" and changes.redeem(account.user, token, session_id=account.session.id):
        return redirect_with(EMAIL_CHANGED, url_for("account.profile"))
    proof = changes.find(account.user, token)
    return render_account(
        account,
        "account/email_change_link.html",
        section=PROFILE.endpoint,
        status=200 if proof else 410,
        address=proof.address if proof else None,
        token=token if proof else "",
        action=url_for("account.email_change_link"),
        again_url=url_for("account.email_change"),
        back=url_for("account.profile"),
    )


def _to_code(attempt: str) -> ResponseReturnValue:
    """303 to the page for the code, whosever the address is."""
    return redirect(url_for("account.email_change_code", attempt=attempt), 303)


def _refusal(refusal: Invalid) -> str:
    if refusal.detail == "same":
        return str(_("This is your address already"))
    if refusal.detail == "domain":
        return str(_("Addresses of this domain cannot be used here. Enter another one."))
    return str(_("Enter an email address, like name@example.com"))


def _form(account: Account, problem: object = None, typed: str = "", *, status: int = 422) -> ResponseReturnValue:
    return render_account(
        account,
        "account/email_change.html",
        section=PROFILE.endpoint,
        status=status if problem else 200,
        errors=(PageError("email", problem),) if problem else (),
        typed=typed,
        present=account.user.email,
        back=url_for("account.profile"),
    )


def _code_page(account: Account, attempt: str, problem: object = None) -> ResponseReturnValue:
    return render_account(
        account,
        "account/email_change_code.html",
        section=PROFILE.endpoint,
        status=422 if problem else 200,
        errors=(PageError("code", problem),) if problem else (),
        action=url_for("account.email_change_code", attempt=attempt),
        again_url=url_for("account.email_change"),
        back=url_for("account.profile"),
    )
