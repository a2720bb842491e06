"""Registration by a mailed link: an invitation, or the link that stands beside the code.

Whoever follows the link reads mail at the address, and it is they who choose the password. What was typed into a form
before is kept only if it was typed in this very browser: somebody else may have typed it (RS6).
"""

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.core.errors import Conflict
from idp.engine.interaction import Interaction, Progress, Registration, Requirements
from idp.engine.sign_up import NewAccount, SignUp
from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.dispatcher import Visit, begin, waiting_here
from idp.signin.facts import gather
from idp.signin.mailed_link import mailed_link
from idp.signin.register import closed, registered, taken_meanwhile
from idp.web.provider import current_provider


@mailed_link(
    Purpose.REGISTRATION,
    title=lazy_gettext("Confirm your email address"),
    text=lazy_gettext("Then choose a password, and your account is ready."),
    button=lazy_gettext("Go on"),
    button_id="registration-submit",
    another=("signin.start_registration", lazy_gettext("Create an account")),
)
def registration_link(proof: Proof) -> ResponseReturnValue:
    """GET and POST /link/registration: go on with a registration, in whatever browser the mail is read."""
    if current_provider().settings.sign_up_policy != "open":
        return closed()
    pending = _pending(proof)
    return _finish(pending, proof) if pending is not None else _go_on(proof)


@mailed_link(
    Purpose.INVITATION,
    title=lazy_gettext("You are invited"),
    text=lazy_gettext("Choose a password, and your account is ready."),
    button=lazy_gettext("Accept the invitation"),
    button_id="invitation-submit",
    another=("signin.start", lazy_gettext("Sign in")),
    stays=True,
)
def invitation(proof: Proof) -> ResponseReturnValue:
    """GET and POST /link/invitation: create the account that somebody was invited to."""
    return closed() if current_provider().settings.sign_up_policy == "closed" else _go_on(proof)


def _pending(proof: Proof) -> Interaction | None:
    """The sign-in of this browser that waits for just this mail."""
    interaction = waiting_here(SignUp.attempt_of(proof))
    if interaction is None:
        return None
    registration = interaction.progress.registration
    return interaction if registration is not None and registration.proof_id == proof.id else None


def _finish(interaction: Interaction, proof: Proof) -> ResponseReturnValue:
    """What was typed in this browser becomes the account, and the person goes on to the application."""
    visit = Visit(interaction, gather(interaction.requirements, interaction.progress))
    registration = interaction.progress.registration
    account = NewAccount.from_details(registration.details if registration else {})
    try:
        user = current_provider().sign_up.create(proof.address, account, attempt=proof.id)
    except Conflict:
        return taken_meanwhile(visit)
    return registered(visit, user)


def _go_on(proof: Proof) -> ResponseReturnValue:
    """A sign-in in this browser, whose address is proven."""
    wanted = {"name": proof.details["name"]} if proof.details.get("name") else {}
    registration = Registration(
        proof.address,
        is_proven=True,
        proof_id=proof.id,
        is_invited=proof.purpose is Purpose.INVITATION,
        details=wanted,
    )
    return begin(
        Requirements(),
        resume_path=url_for("web.home"),
        restart_path=url_for("signin.start"),
        progress=Progress(registration=registration),
    )
