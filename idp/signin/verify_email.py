"""The page that waits for the code from a registration mail."""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.errors import Conflict, Invalid, TooMany
from idp.engine.interaction import Registration, Step
from idp.engine.mail import AlreadyMailed
from idp.engine.sign_up import NewAccount
from idp.identity.credentials.mailed_proofs import CodeVerdict
from idp.identity.directory.emails import parse_email
from idp.signin.dispatcher import Visit, page
from idp.signin.register import registered, send_code, taken_meanwhile, too_many
from idp.web import texts
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider
from idp.web.typed_code import typed_code


@page(Step.VERIFY_EMAIL)
def verify_email(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/verify-email: the code that was mailed, another one, or another address."""
    registration = visit.interaction.progress.registration
    if registration is None:
        return visit.to_hub()
    if request.method != "POST":
        return _form(visit, registration, was_sent_again="sent" in request.args)
    wish = request.form.get("wish")
    if wish == "resend":
        return _sent_again(visit, registration)
    if wish == "change":
        visit.save(registration=None)
        return visit.to_hub()
    return _tried(visit, registration)


def _tried(visit: Visit, registration: Registration) -> ResponseReturnValue:
    code, problem = typed_code()
    if problem is not None:
        return _form(visit, registration, problem)
    account = NewAccount.from_details(registration.details)
    try:
        verdict, user = current_provider().sign_up.finish(
            registration.email, registration.proof_id or "", code, account
        )
    except Conflict:
        return taken_meanwhile(visit)
    if user is not None:
        return registered(visit, user)
    over = verdict is CodeVerdict.OVER
    return _form(visit, registration, texts.MAILED_CODE_OVER if over else texts.MAILED_CODE_INCORRECT)


def _sent_again(visit: Visit, registration: Registration) -> ResponseReturnValue:
    account = NewAccount.from_details(registration.details)
    try:
        proof_id = send_code(visit, parse_email(registration.email), account.locale or "")
    except AlreadyMailed:
        return visit.to_hub()
    except TooMany as error:
        return _form(visit, registration, too_many(error), field=None, status=429)
    except Invalid:
        return visit.to_hub()
    visit.save(
        prolong=True, registration=Registration(registration.email, proof_id=proof_id, details=registration.details)
    )
    return redirect(url_for("signin.verify_email", interaction_id=visit.interaction.id, sent=1), 303)


def _form(
    visit: Visit,
    registration: Registration,
    message: object = None,
    *,
    field: str | None = "code",
    status: int = 422,
    was_sent_again: bool = False,
) -> Response:
    own = visit.interaction.id
    return render_page(
        "signin/verify_email.html",
        status=status if message else 200,
        client=visit.client,
        errors=(PageError(field, message),) if message else (),
        email=registration.email,
        was_sent_again=was_sent_again,
        most_mails=current_provider().settings.sign_up.mails_per_hour,
        mailbox_url=url_for("web.mailbox", to=registration.email) if current_provider().mail.has_mailbox else None,
        action=url_for("signin.verify_email", interaction_id=own),
        sign_in_url=url_for("signin.existing_account", interaction_id=own),
        cancel_url=url_for("signin.cancel", interaction_id=own) if visit.client else None,
    )
