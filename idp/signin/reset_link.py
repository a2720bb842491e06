"""A forgotten password: the link in the mail, which works in any browser."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.engine.interaction import Interaction, Progress, Requirements
from idp.engine.password_reset import PasswordReset, ProvenOwner
from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.dispatcher import begin, waiting_here
from idp.signin.mailed_link import mailed_link
from idp.signin.reset_code import proven
from idp.web.provider import current_provider


@mailed_link(
    Purpose.PASSWORD_RESET,
    title=lazy_gettext("Choose a new password"),
    text=lazy_gettext("You asked for it because you have forgotten the one before."),
    button=lazy_gettext("Continue"),
    button_id="recover-continue",
    another=("signin.recover", lazy_gettext("Get a new link")),
)
def reset_link(proof: Proof) -> ResponseReturnValue | None:
    """GET and POST /link/password_reset: go on with the sign-in that waits for it here, or with a new one."""
    owner = current_provider().password_reset.owner(proof)
    if owner is None:
        return None
    waiting = _waiting_here(proof)
    if waiting is not None and _go_on(waiting, owner):
        return redirect(url_for("signin.hub", interaction_id=waiting.id), 303)
    return begin(
        Requirements(),
        resume_path=url_for("web.home"),
        restart_path=url_for("signin.recover"),
        progress=Progress(recovery=proven(owner, owner.address)),
    )


def _waiting_here(proof: Proof) -> Interaction | None:
    """The sign-in in which this proof was asked for, if it was in this browser and is still open."""
    interaction = waiting_here(PasswordReset.attempt_of(proof))
    if interaction is None:
        return None
    recovery = interaction.progress.recovery
    return interaction if recovery is not None and recovery.proof_id == proof.id else None


def _go_on(waiting: Interaction, owner: ProvenOwner) -> bool:
    recovery = proven(owner, owner.address)
    return current_provider().interactions.update(waiting, prolong=True, recovery=recovery) is not None
