"""The registration page: an address, a password, and a name if the operator wants one.

Whoever asks learns nothing about whether the address has an account: the same page follows, after the same work, and
only the mail knows more (LG1).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Conflict, Invalid, NotFound, TooMany
from idp.core.sign_up_settings import LONGEST_VERSION
from idp.engine.interaction import FirstFactor, Registration, Requirements, Step, digest_of
from idp.engine.mail import AlreadyMailed
from idp.engine.sign_up import EnoughMailed, NewAccount
from idp.identity.consents.terms import DOCUMENTS
from idp.identity.credentials.password_policy import Violation, check
from idp.identity.credentials.passwords import WeakPassword
from idp.identity.directory.claims import validated_claims
from idp.identity.directory.emails import EmailAddress, parse_email
from idp.identity.directory.users import User
from idp.signin.dispatcher import Visit, begin, page, visit_any
from idp.signin.login import login_form
from idp.signin.mailed_link import link_over
from idp.signin.sessions import authenticated
from idp.web import texts
from idp.web.hooks import request_address
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider

_LONGEST_NAME = 300


def start_registration() -> ResponseReturnValue:
    """GET /register: register without an application, and land on the start page."""
    provider = current_provider()
    if provider.settings.sign_up_policy != "open":
        return closed()
    return begin(
        Requirements(prompts=frozenset({"create"})),
        resume_path=url_for("web.home"),
        restart_path=url_for("signin.start_registration"),
    )


def closed() -> Response:
    """The page for who may not register, here or any more (AU6)."""
    return render_page("signin/registration_closed.html", status=403, sign_in_url=url_for("signin.start"))


@visit_any
def new_account(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/new-account: register instead of signing in."""
    visit.save(is_registering=True)
    return visit.to_hub()


@visit_any
def existing_account(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/existing-account: sign in instead of registering."""
    visit.save(is_registering=False, registration=None)
    return visit.to_hub()


@dataclass(frozen=True, slots=True)
class _Typed:
    """What came with the form."""

    email: str
    name: str
    password: str
    accepted: dict[str, str]
    """Which version of which document was on the page when its box was ticked."""

    @classmethod
    def of(cls, proven: str | None) -> "_Typed":
        """The fields as they were sent; an address that is proven already cannot be changed (RS7)."""
        form = request.form
        return cls(
            proven or form.get("email", "").strip(),
            form.get("name", "")[: _LONGEST_NAME + 1].strip(),
            form.get("new_password", ""),
            {name: form[name][:LONGEST_VERSION] for name in DOCUMENTS if form.get(name)},
        )


@page(Step.REGISTER)
def register(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/register: the address and what the account begins with."""
    if request.method != "POST":
        return _form(visit, _Typed(_proven(visit) or visit.requirements.login_hint or "", _invited_name(visit), "", {}))
    proven = _proven(visit)
    typed = _Typed.of(proven)
    address, errors = _checked(typed, is_proven=proven is not None)
    if address is None or errors:
        return _form(visit, typed, tuple(errors), 422)
    try:
        if proven is None:
            current_provider().sign_up.ensure_room(address, request_address())
        account = _prepared(typed)
        if proven is not None:
            return _created(visit, address, account)
        proof_id = send_code(visit, address, _locale())
    except WeakPassword as error:
        return _form(visit, typed, _password_errors(error.violations), 422)
    except AlreadyMailed:
        return visit.to_hub()
    except TooMany as error:
        return _form(visit, typed, (PageError(None, too_many(error)),), 429)
    visit.save(
        prolong=True,
        is_registering=True,
        registration=Registration(address.address, proof_id=proof_id, details=account.as_details()),
    )
    return visit.to_hub()


def send_code(visit: Visit, address: EmailAddress, locale: str) -> str:
    """Have a code mailed, and return the proof that waits for it. Raises TooMany, or AlreadyMailed."""
    interaction = visit.interaction
    # Each mail prolongs the sign-in, so the next form differs from this one.
    once = sha256_hex(f"{interaction.id}:{interaction.expires_at.isoformat()}")
    return current_provider().sign_up.begin(address, digest_of(interaction), locale, request_address(), once)


def too_many(error: TooMany) -> str:
    """What to do instead. Whom somebody else used up the messages of has the newest one, whose link works anywhere."""
    is_mailed = isinstance(error, EnoughMailed)
    return texts.enough_mailed(error.retry_after) if is_mailed else texts.too_many_attempts(error.retry_after)


def registered(visit: Visit, user: User) -> Response:
    """The account exists: its person is signed in, and goes on to where they wanted."""
    return authenticated(visit, FirstFactor(user.id, now(), ("pwd",))) or visit.to_hub()


def _created(visit: Visit, address: EmailAddress, account: NewAccount) -> Response:
    """The address was proven before, by an invitation or the link in a mail."""
    sign_up, registration = current_provider().sign_up, visit.interaction.progress.registration
    attempt = registration.proof_id if registration else None
    try:
        if registration is not None and registration.is_invited:
            user = sign_up.accept(attempt or "", account)
        else:
            user = sign_up.create(address.address, account, attempt=attempt)
    except Conflict:
        return taken_meanwhile(visit)
    except NotFound:
        visit.save(registration=None)
        return link_over(url_for("signin.start"), gettext("Sign in"))
    return registered(visit, user)


def taken_meanwhile(visit: Visit) -> Response:
    """Whoever is here has proven the address, and may know that it has an account now."""
    registration = visit.interaction.progress.registration
    visit.save(is_registering=False, registration=None)
    email = registration.email if registration else None
    return login_form(visit, username=email, errors=(PageError(None, texts.ADDRESS_TAKEN),), status=409)


def _checked(typed: _Typed, *, is_proven: bool) -> tuple[EmailAddress | None, list[PageError]]:
    settings = current_provider().settings.sign_up
    errors: list[PageError] = []
    address = None
    try:
        address = _address(typed, is_proven=is_proven) if typed.email else None
        if address is None:
            errors.append(PageError("email", texts.ENTER_EMAIL))
    except Invalid as error:
        errors.append(PageError("email", texts.DOMAIN_NOT_ADMITTED if error.detail == "domain" else texts.EMAIL_FORMAT))
    if settings.name == "required" and not typed.name:
        errors.append(PageError("name", texts.ENTER_NAME))
    elif typed.name:
        try:
            validated_claims({"name": typed.name})
        except Invalid:
            errors.append(PageError("name", texts.NAME_FORMAT))
    if not typed.password:
        errors.append(PageError("new_password", texts.ENTER_FIRST_PASSWORD))
    else:
        violations = check(typed.password, current_provider().settings.passwords, _context_words(typed))
        errors.extend(_password_errors(violations))
    for document in settings.documents:
        if typed.accepted.get(document.name) != document.version:
            errors.append(PageError(document.name, texts.ACCEPT_DOCUMENT[document.name]))
    return address, errors


def _address(typed: _Typed, *, is_proven: bool) -> EmailAddress:
    """Whoever was invited may register whatever the domain; others were asked before they were mailed."""
    return parse_email(typed.email) if is_proven else current_provider().sign_up.admitted_address(typed.email)


def _context_words(typed: _Typed) -> list[str]:
    return [word for word in (typed.email, typed.name, current_provider().settings.product_name) if word]


def _password_errors(violations: Iterable[Violation]) -> tuple[PageError, ...]:
    return tuple(PageError("new_password", texts.password_problem(violation)) for violation in violations)


def _prepared(typed: _Typed) -> NewAccount:
    """The account to be. Asks strangers about its password and hashes it: only when nothing else is wrong.

    Raises WeakPassword.
    """
    password = current_provider().passwords.prepare(typed.password, _context_words(typed))
    has_name = current_provider().settings.sign_up.name != "off"
    return NewAccount(password, (typed.name or None) if has_name else None, _locale(), typed.accepted)


def _form(visit: Visit, typed: _Typed, errors: tuple[PageError, ...] = (), status: int = 200) -> Response:
    settings, own = current_provider().settings, visit.interaction.id
    return render_page(
        "signin/register.html",
        status=status,
        client=visit.client,
        errors=errors,
        email=typed.email,
        email_is_proven=_proven(visit) is not None,
        name=typed.name,
        name_field=settings.sign_up.name,
        documents=settings.sign_up.documents,
        accepted=typed.accepted,
        minimum_length=settings.passwords.minimum_length,
        action=url_for("signin.register", interaction_id=own),
        sign_in_url=url_for("signin.existing_account", interaction_id=own),
        cancel_url=url_for("signin.cancel", interaction_id=own) if visit.client else None,
    )


def _proven(visit: Visit) -> str | None:
    registration = visit.interaction.progress.registration
    return registration.email if registration is not None and registration.is_proven else None


def _invited_name(visit: Visit) -> str:
    registration = visit.interaction.progress.registration
    return str(registration.details.get("name") or "") if registration else ""


def _locale() -> str:
    return str(get_locale()).replace("_", "-")
