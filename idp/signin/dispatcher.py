"""THE HUB: asks the policy for the next step and sends the browser there. Every page comes back here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from idp.engine.interaction import Failure, Interaction, Progress, Requirements, Step, is_expired, next_step
from idp.identity.clients.client import Client
from idp.identity.sessions.rows import Session
from idp.signin.facts import Gathered, gather
from idp.web.browser_session import current_session, current_visitor
from idp.web.cookies import browser_id, known_browser_id
from idp.web.csrf import check_csrf
from idp.web.pages import render_page
from idp.web.provider import current_provider

#: Which page serves a step. DONE, FAILED and UNMET are answered by whoever began the Interaction.
PAGES = {
    Step.REGISTER: "signin.register",
    Step.VERIFY_EMAIL: "signin.verify_email",
    Step.LOGIN: "signin.login",
    Step.FORGOT_PASSWORD: "signin.forgot_password",
    Step.RESET_CODE: "signin.reset_code",
    Step.NEW_PASSWORD: "signin.new_password",
    Step.TOTP: "signin.totp",
    Step.COME_BACK: "signin.come_back",
    Step.SELECT_ACCOUNT: "signin.select_account",
    Step.ACCEPT_TERMS: "signin.accept_terms",
    Step.CONSENT: "signin.consent",
}


#: The progress of somebody who wants to sign in as somebody else; the present session stays until they have.
AS_SOMEBODY_ELSE: Mapping[str, Any] = MappingProxyType({
    "account_selected": True,
    "selected_user_id": None,
    "first_factor": None,
    "returning": None,
    "authenticated_session_id": None,
    "consented_user_id": None,
    "recovery": None,
})  # fmt: skip


class Gone(Exception):
    """The Interaction cannot be gone on with: it is unknown, another browser's, finished or expired.

    `interaction` is known in the latter two cases.
    """

    def __init__(self, interaction: Interaction | None = None) -> None:
        super().__init__("the sign-in is over")
        self.interaction = interaction


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page of an Interaction."""

    interaction: Interaction
    gathered: Gathered

    @property
    def requirements(self) -> Requirements:
        """What the sign-in has to satisfy."""
        return self.interaction.requirements

    @property
    def client(self) -> Client | None:
        """The application that the person is signing in to, if any."""
        return self.gathered.client

    @property
    def session(self) -> Session | None:
        """This browser's session."""
        return self.gathered.session

    @property
    def hub_url(self) -> str:
        """Where every page goes when it is done."""
        return url_for("signin.hub", interaction_id=self.interaction.id)

    def save(self, *, prolong: bool = False, **progress: Any) -> Interaction | None:
        """Store progress; None if another tab was faster, which the hub sorts out.

        `prolong` gives the person as much time again.
        """
        return current_provider().interactions.update(self.interaction, prolong=prolong, **progress)

    def save_authenticated(self, **progress: Any) -> Interaction | None:
        """The same when somebody has just proven who they are."""
        return current_provider().interactions.authenticated(self.interaction, **progress)

    def leave(self, description: str) -> Response:
        """The person does not want to: the application is told so, however late it is and whatever was due."""
        interactions = current_provider().interactions
        interactions.fail(self.interaction, Failure("access_denied", description))
        return self.to_hub()

    def to_hub(self) -> Response:
        """Back to the hub."""
        return _redirect(self.hub_url)


def start() -> ResponseReturnValue:
    """GET /signin: sign in without an application, and land on the start page."""
    return begin(Requirements(), resume_path=url_for("web.home"), restart_path=url_for("signin.start"))


def begin(
    requirements: Requirements, *, resume_path: str, restart_path: str, progress: Progress | None = None
) -> Response:
    """Send the browser through a sign-in without an application, and on to a path of ours. Raises TooMany."""
    provider = current_provider()
    interaction = provider.interactions.begin(
        browser_id=browser_id(provider.settings),
        visitor=current_visitor(),
        requirements=requirements,
        resume_path=resume_path,
        restart_path=restart_path,
        progress=progress,
    )
    return _redirect(url_for("signin.hub", interaction_id=interaction.id))


def waiting_here(digest: str) -> Interaction | None:
    """The sign-in of that digest (`digest_of`), if it is this browser's and still open: a mail was asked for in it."""
    provider = current_provider()
    interaction = provider.interactions.find(digest, known_browser_id(provider.settings))
    is_over = interaction is None or interaction.progress.completed or is_expired(interaction)
    return None if is_over else interaction


def hub(interaction_id: str) -> ResponseReturnValue:
    """GET /signin/<id>: the next step, whatever it is."""
    interaction = _load(interaction_id)
    if is_expired(interaction) and interaction.progress.failure is None:
        # One that was cancelled is answered, however late: the app waits, and nobody wants to begin again.
        return _begin_again(interaction)
    gathered = gather(interaction.requirements, interaction.progress)
    step = next_step(interaction.requirements, interaction.progress, gathered.facts)
    page = PAGES.get(step)
    return _redirect(url_for(page, interaction_id=interaction_id) if page else interaction.resume_path)


def page(
    step: Step, *, late: Callable[[Visit, Step], Visit | None] | None = None
) -> Callable[[Callable[[Visit], ResponseReturnValue]], Callable[[str], ResponseReturnValue]]:
    """Decorate the view of one step: it runs only if the policy says that this step is due (LG7).

    Checks the browser's right to the Interaction and, on POST, the CSRF token. A form that comes when another
    step is due leads to the hub, unless `late`, which is told what is due, returns a Visit to go on with.
    """

    def decorate(view: Callable[[Visit], ResponseReturnValue]) -> Callable[[str], ResponseReturnValue]:
        @wraps(view)
        def guarded(interaction_id: str) -> ResponseReturnValue:
            interaction = _load(interaction_id)
            if request.method == "POST":
                check_csrf()
            if is_expired(interaction):
                return _begin_again(interaction)
            gathered = gather(interaction.requirements, interaction.progress)
            due = next_step(interaction.requirements, interaction.progress, gathered.facts)
            visit = Visit(interaction, gathered)
            if due is step:
                return view(visit)
            changed = late(visit, due) if late is not None and request.method == "POST" else None
            return view(changed) if changed is not None else visit.to_hub()

        return guarded

    return decorate


def visit_any(view: Callable[[Visit], ResponseReturnValue]) -> Callable[[str], ResponseReturnValue]:
    """Decorate a view that may be asked for at any step of a live Interaction of this browser."""

    @wraps(view)
    def guarded(interaction_id: str) -> ResponseReturnValue:
        interaction = _load(interaction_id)
        return view(Visit(interaction, gather(interaction.requirements, interaction.progress)))

    return guarded


def gone(error: Gone) -> Response:
    """The page for an Interaction that cannot be gone on with; it leads back to the app where one is known."""
    provider = current_provider()
    interaction = error.interaction
    client_id = interaction.requirements.client_id if interaction else None
    is_finished = interaction is not None and interaction.progress.completed
    if is_finished:
        reason = "finished"
    elif known_browser_id(provider.settings) is None:
        reason = "no-cookie"
    else:
        reason = "expired"
    return render_page(
        "signin/expired.html",
        status=400,
        client=provider.clients.get(client_id) if client_id else None,
        reason=reason,
        start_url=interaction.restart_path if interaction else None,
    )


def _begin_again(interaction: Interaction) -> Response:
    """What was left open for too long begins anew by itself, if that loses nothing and surprises nobody.

    Raises Gone where it does: what was typed into a form has been typed in vain, and who has signed in meanwhile is
    not sent to the app a second time without being asked.
    """
    if request.method == "POST" or current_session() is not None:
        raise Gone(interaction)
    return _redirect(interaction.restart_path)


def _load(interaction_id: str) -> Interaction:
    """The live Interaction of this browser. Raises Gone."""
    provider = current_provider()
    interaction = provider.interactions.load(interaction_id, known_browser_id(provider.settings))
    if interaction is None:
        raise Gone
    g.ui_locales = interaction.requirements.ui_locales
    if interaction.progress.completed:
        raise Gone(interaction)
    return interaction


def _redirect(location: str) -> Response:
    return redirect(location, 303)  # type: ignore[return-value]
