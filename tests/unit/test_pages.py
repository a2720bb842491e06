"""What every template promises, read from its HTML: attributes, names, errors, words, nothing inline."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.helpers.gallery import create_gallery
from tests.helpers.gallery_pages import VARIANTS, Variant

EVERY = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
DATA_PAGE = {
    "signin/login.html": "login", "signin/totp.html": "totp", "signin/select_account.html": "select-account",
    "signin/consent.html": "consent", "signin/expired.html": "error", "oauth/end_session.html": "logout",
    "oauth/logged_out.html": "logged-out", "oauth/form_post.html": "form-post", "web/error.html": "error",
    "web/home.html": "home", "oauth/unvouched.html": "unvouched",
    "signin/register.html": "register", "signin/verify_email.html": "verify-email",
    "signin/accept_terms.html": "accept-terms", "signin/registration_closed.html": "registration-closed",
    "web/mailbox.html": "mailbox", "web/one_mail.html": "mail",
    "signin/mailed_link.html": "mailed-link", "signin/mailed_link_over.html": "error",
    "signin/unlocked.html": "unlocked", "signin/forgot_password.html": "recover",
    "signin/reset_code.html": "recover-code", "signin/new_password.html": "new-password",
    "account/overview.html": "account-overview", "account/security.html": "account-security",
    "account/password.html": "account-password", "account/sessions.html": "account-sessions",
    "account/applications.html": "account-applications", "account/activity.html": "account-activity",
    "account/remove_application.html": "account-remove-application",
    "account/profile.html": "account-profile", "account/profile_details.html": "account-profile-details",
    "account/profile_address.html": "account-profile-address", "account/profile_phone.html": "account-profile-phone",
    "account/profile_picture.html": "account-profile-picture", "account/preferences.html": "account-preferences",
    "account/email_change.html": "account-email-change", "signin/email_disputed.html": "email-disputed",
    "account/email_change_code.html": "account-email-change-code",
    "account/email_change_link.html": "account-email-change-link",
    "account/data.html": "account-data", "account/deactivate.html": "account-deactivate",
    "account/delete.html": "account-delete", "signin/come_back.html": "come-back",
    "signin/account_kept.html": "account-kept", "signin/left.html": "account-left",
}  # fmt: skip
BUTTON_IDS = {
    "signin/login.html": {"login-submit"}, "signin/totp.html": {"mfa-submit"},
    "signin/consent.html": {"consent-allow", "consent-deny"}, "oauth/end_session.html": {"logout-confirm"},
    "oauth/form_post.html": {"continue"}, "signin/mailed_link.html": {"unlock-submit"},
    "signin/forgot_password.html": {"recover-submit"}, "signin/reset_code.html": {"code-submit", "resend"},
    "signin/new_password.html": {"password-submit"},
    "account/password.html": {"password-change"},
    "signin/register.html": {"register-submit"}, "signin/accept_terms.html": {"terms-submit"},
    "signin/verify_email.html": {"code-submit", "resend", "change-address"},
    "account/remove_application.html": {"remove-application"},
    "account/deactivate.html": {"deactivate-submit"}, "account/delete.html": {"delete-submit"},
    "signin/come_back.html": {"come-back"},
}  # fmt: skip
UNWELCOME = re.compile(r"\b(please|sorry|oops|invalid|forbidden|illegal)\b|an error occurred", re.IGNORECASE)


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def find(self, tag: str, **wanted: str) -> dict[str, str | None]:
        """The attributes of the one element that has these. Raises LookupError."""
        found = [attrs for name, attrs in self.all if name == tag and wanted.items() <= attrs.items()]
        if len(found) != 1:
            raise LookupError(f"{len(found)} elements {tag} {wanted}")
        return found[0]


@pytest.fixture(scope="module")
def gallery() -> FlaskClient:
    return create_gallery().test_client()


def open_page(gallery: FlaskClient, name: str, **query: Any) -> Elements:
    return Elements(gallery.get(f"/page/{name}", query_string=query).text)


@EVERY
def test_main_and_buttons_carry_their_names(variant: Variant, gallery: FlaskClient) -> None:
    page = open_page(gallery, variant.name)
    assert page.find("main")["data-page"] == DATA_PAGE[variant.template]
    ids = {attrs.get("id") for tag, attrs in page.all if tag == "button"}
    if not variant.context.get("exhausted"):
        assert BUTTON_IDS.get(variant.template, set()) <= ids


@EVERY
def test_nothing_is_inline_but_the_one_script_with_a_nonce(variant: Variant, gallery: FlaskClient) -> None:
    page = open_page(gallery, variant.name)
    for tag, attrs in page.all:
        assert tag not in ("style", "base"), tag
        if tag == "iframe":
            assert variant.template in ("oauth/logged_out.html", "web/one_mail.html")
            assert "allow-top-navigation" not in (attrs["sandbox"] or "").split()
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        if tag == "script" and "src" not in attrs:
            assert variant.template == "oauth/form_post.html"
            assert attrs["nonce"]
        for name in ("src", "href", "action"):
            assert not (attrs.get(name) or "").lower().startswith(("javascript:", "//"))


@EVERY
def test_forms_of_ours_carry_a_csrf_token_and_no_other(variant: Variant, gallery: FlaskClient) -> None:
    page = open_page(gallery, variant.name)
    tokens = [attrs for tag, attrs in page.all if tag == "input" and attrs.get("name") == "csrf_token"]
    ours = [attrs for tag, attrs in page.all if tag == "form" and variant.template != "oauth/form_post.html"]
    assert len(tokens) == len(ours)
    assert all(attrs["method"] == "post" for attrs in ours)


@EVERY
def test_failures_say_so_first(variant: Variant, gallery: FlaskClient) -> None:
    html = gallery.get(f"/page/{variant.name}").text
    failed = bool(variant.context.get("errors")) or DATA_PAGE[variant.template] in (
        "error",
        "unvouched",
        "email-disputed",
    )
    failed = failed or variant.name.endswith("-link-over")
    title = re.search(r"<title>(.*?)</title>", html)
    assert title is not None
    assert title[1].startswith({"de": "Fehler: "}.get(variant.locale, "Error: ")) == failed


@EVERY
def test_each_problem_is_told_twice_and_linked(variant: Variant, gallery: FlaskClient) -> None:
    page = open_page(gallery, variant.name)
    problems = variant.context.get("errors", [])
    if not problems:
        return
    assert page.find("div", role="alert")["tabindex"] == "-1"
    for field in {problem["field"] for problem in problems} - {None}:
        page.find("a", href=f"#{field}")
        control = page.find("input", id=field)
        assert control["aria-invalid"] == "true"
        described = (control["aria-describedby"] or "").split()
        assert f"{field}-error" in described
        for element_id in described:
            assert [attrs for _, attrs in page.all if attrs.get("id") == element_id]


@EVERY
def test_words_are_plain(variant: Variant, gallery: FlaskClient) -> None:
    text = " ".join(open_page(gallery, variant.name).text)
    assert UNWELCOME.search(text) is None
    assert not re.search(r"%\(|None|Undefined|LazyString", text)


@EVERY
def test_no_page_is_a_dead_end(variant: Variant, gallery: FlaskClient) -> None:
    """Somewhere in `<main>` there is a link, or a form that leads on."""
    html = gallery.get(f"/page/{variant.name}").text
    main = html[html.index("<main") : html.index("</main>")]
    assert "<form" in main or 'class="button' in main


def test_the_identifier_field(gallery: FlaskClient) -> None:
    field = open_page(gallery, "login").find("input", id="username")
    expected = {
        "type": "text",
        "inputmode": "email",
        "name": "username",
        "autocomplete": "username webauthn",
        "autocapitalize": "none",
        "autocorrect": "off",
        "spellcheck": "false",
        "dir": "ltr",
        "enterkeyhint": "next",
        "required": None,
    }
    assert expected.items() <= field.items()


def test_the_identifier_field_when_it_is_settled(gallery: FlaskClient) -> None:
    field = open_page(gallery, "login-again").find("input", id="username")
    expected = {
        "type": "text",
        "readonly": None,
        "autocomplete": "username",
        "value": "alice@example.com",
        "dir": "ltr",
    }
    assert expected.items() <= field.items()


def test_the_password_field(gallery: FlaskClient) -> None:
    for name in ("login", "login-again", "login-failed"):
        field = open_page(gallery, name).find("input", id="password")
        expected = {
            "type": "password",
            "name": "password",
            "autocomplete": "current-password",
            "autocapitalize": "off",
            "spellcheck": "false",
            "enterkeyhint": "go",
        }
        assert expected.items() <= field.items()
        assert not {"maxlength", "value", "onpaste"} & field.keys()


def test_the_code_field(gallery: FlaskClient) -> None:
    field = open_page(gallery, "totp").find("input", id="code")
    assert {
        "type": "text",
        "inputmode": "numeric",
        "autocomplete": "one-time-code",
        "name": "code",
    }.items() <= field.items()
    assert "maxlength" not in field


def test_the_first_submit_button_of_each_form_is_the_safe_one(gallery: FlaskClient) -> None:
    """Enter presses the first submit button: signing in, but never allowing."""
    for name, expected in (("login", "login-submit"), ("totp", "mfa-submit"), ("consent", "consent-deny")):
        buttons = [attrs for tag, attrs in open_page(gallery, name).all if tag == "button"]
        assert next(attrs for attrs in buttons if attrs["type"] == "submit")["id"] == expected


def test_consent_marks_what_may_be_left_out(gallery: FlaskClient) -> None:
    page = open_page(gallery, "consent")
    boxes = [attrs["value"] for tag, attrs in page.all if tag == "input" and attrs.get("name") == "scope"]
    assert boxes == ["email", "orders:write"]
    assert "app.meridian.example" in page.text


def test_direction_and_language_follow_the_locale(gallery: FlaskClient) -> None:
    assert open_page(gallery, "login", lang="he").find("html") == {"lang": "he", "dir": "rtl"}
    assert open_page(gallery, "login", lang="de").find("html") == {"lang": "de", "dir": "ltr"}


def test_what_a_client_calls_itself_is_text() -> None:
    """AZ8."""
    app = create_gallery()
    name = '<img src=x onerror="alert(1)">'
    client = {"name": name, "host": name, "logo_uri": '"><script>', "initial": "<", "policy_uri": None, "tos_uri": None}

    @app.context_processor
    def evil() -> dict[str, Any]:
        return {"product_name": name, "client": client, "back_url": '"><script>'}

    for variant in VARIANTS:
        context = {key: value for key, value in variant.context.items() if key not in ("client", "back_url")}
        for who in {"user", "person"} & context.keys():
            context[who] = {"id": name, "name": name, "email": name, "initials": "<", "picture": None}
        with app.test_request_context():
            app.preprocess_request()
            html = app.jinja_env.get_template(variant.template).render({**_common(app), **context})
        tags = [tag for tag, _ in Elements(html).all]
        assert tags.count("script") <= 1
        assert "<img src=x" not in html


def _common(app: Any) -> dict[str, Any]:
    context: dict[str, Any] = {}
    app.update_template_context(context)
    return context
