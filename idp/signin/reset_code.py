"""A forgotten password, the second page: the code that was mailed, if anything was."""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from idp.engine.interaction import Recovery, Step, digest_of
from idp.engine.password_reset import ProvenOwner
from idp.identity.credentials.mailed_proofs import CodeVerdict
from idp.signin.dispatcher import Visit, page
from idp.signin.forgot_password import send_proof
from idp.web import texts
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider
from idp.web.typed_code import typed_code


@page(Step.RESET_CODE)
def reset_code(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/recover-code: the code that was mailed, another one, or another address."""
    recovery = visit.interaction.progress.recovery
    if recovery is None or recovery.proof_id is None:
        return visit.to_hub()
    if request.method != "POST":
        return _form(visit, recovery, was_sent_again="sent" in request.args)
    wish = request.form.get("wish")
    if wish == "resend":
        send_proof(visit, recovery.username)
        return redirect(url_for("signin.reset_code", interaction_id=visit.interaction.id, sent=1), 303)
    if wish == "change":
        visit.save(recovery=Recovery(username=recovery.username))
        return visit.to_hub()
    return _tried(visit, recovery, recovery.proof_id)


def proven(owner: ProvenOwner, username: str) -> Recovery:
    """What an Interaction knows once the person has brought back what was mailed."""
    return Recovery(
        username=username,
        user_id=owner.user_id,
        address=owner.address,
        credential=owner.credential,
        attempt=owner.attempt,
    )


def _tried(visit: Visit, recovery: Recovery, proof_id: str) -> ResponseReturnValue:
    code, problem = typed_code()
    if problem is not None:
        return _form(visit, recovery, problem)
    verdict, owner = current_provider().password_reset.try_code(proof_id, code, digest_of(visit.interaction))
    if owner is None:
        over = verdict is CodeVerdict.OVER
        return _form(visit, recovery, texts.MAILED_CODE_OVER if over else texts.MAILED_CODE_INCORRECT)
    visit.save(prolong=True, recovery=proven(owner, recovery.username))
    return visit.to_hub()


def _form(visit: Visit, recovery: Recovery, message: object = None, *, was_sent_again: bool = False) -> Response:
    own = visit.interaction.id
    has_mailbox = current_provider().mail.has_mailbox
    return render_page(
        "signin/reset_code.html",
        status=422 if message else 200,
        client=visit.client,
        errors=(PageError("code", message),) if message else (),
        username=recovery.username,
        was_sent_again=was_sent_again,
        most_mails=current_provider().settings.throttle.reset_mails_per_hour,
        mailbox_url=url_for("web.mailbox", to=recovery.username) if has_mailbox else None,
        action=url_for("signin.reset_code", interaction_id=own),
        sign_in_url=url_for("signin.remembered", interaction_id=own),
    )
