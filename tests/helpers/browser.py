"""A browser without a screen or scripts: cookies, redirects, forms, and how a person signs in.

It knows the pages only by what INTERFACE promises to automation: `data-page`, field names, button ids.
"""

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pyotp

from tests.helpers.forms import Button, Form, PageParser

MOST_REDIRECTS = 20
MOST_PAGES = 12
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in; `totp_secret` is Base32."""

    email: str
    password: str
    id: str = ""
    totp_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """The provider sent the browser away: to `url`, with these parameters.

    `mode` is `query`, `fragment` or `form_post`; `params` are what the relying party would see.
    """

    url: str
    params: dict[str, str]
    mode: str

    @property
    def target(self) -> str:
        """The URL without its query and fragment."""
        return self.url.partition("#")[0].partition("?")[0]

    def __getitem__(self, name: str) -> str:
        """One parameter. Raises KeyError with all of them, because an error is what one wants to read."""
        if name not in self.params:
            raise KeyError(f"{name} is not among {self.params}")
        return self.params[name]


def http_client(tls: ssl.SSLContext | None = None) -> httpx.Client:
    """An HTTP client that keeps no connection open, so that nobody has to close it."""
    return httpx.Client(
        timeout=30,
        follow_redirects=False,
        verify=tls or _default_tls(),
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


@functools.cache
def _default_tls() -> ssl.SSLContext:
    # Reading the certificate bundle takes longer than most tests; once is enough.
    return ssl.create_default_context()


class Page:
    """What the browser shows: a response of the provider, parsed."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.url = str(response.url)
        self.status = response.status_code
        self.headers = response.headers
        self.html = response.text
        self._parsed = PageParser(response.text)

    @property
    def data_page(self) -> str | None:
        """The `data-page` of `<main>`."""
        return self._parsed.data_page

    @property
    def title(self) -> str:
        """The document's title."""
        return self._parsed.title

    @property
    def text(self) -> str:
        """The visible text."""
        return self._parsed.text

    @property
    def forms(self) -> list[Form]:
        """The forms in document order."""
        return self._parsed.forms

    @property
    def links(self) -> list[str]:
        """The targets of the links in document order."""
        return [href for _, href in self._parsed.links]

    def form_with(self, *, button: str | None = None, field: str | None = None) -> Form:
        """The first form with this button id and this field name. Raises LookupError."""
        for form in self.forms:
            has_button = button is None or any(candidate.id == button for candidate in form.buttons)
            if has_button and (field is None or field in form.names):
                return form
        raise LookupError(f"no form with button {button} and field {field} on {self!r}")

    def __repr__(self) -> str:
        return f"<Page {self.data_page} {self.status} {self.url}: {self.text[:300]!r}>"


class Browser:
    """Cookies and redirects within one origin; leaving it is a `Callback`, not a request."""

    def __init__(
        self, origin: str, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.origin = _origin(origin)
        self.http = http_client(tls)
        self.http.headers.update({"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en", **(headers or {})})
        self.history: list[httpx.Response] = []

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookie jar, to look at or to tamper with."""
        return self.http.cookies

    def open(self, url: str, *, method: str = "GET", data: Any = None, headers: Any = None) -> Page | Callback:
        """Request a URL (or a path of our origin) and follow redirects until there is something to see."""
        response = self.http.request(method, urljoin(self.origin + "/", url), content=data, headers=headers)
        self.history = [response]
        for _ in range(MOST_REDIRECTS):
            if response.status_code not in REDIRECTS:
                return self._page_or_form_post(response)
            target = urljoin(str(response.url), response.headers["Location"])
            if _origin(target) != self.origin:
                return _callback(target)
            if response.status_code not in (307, 308):
                method, data, headers = "GET", None, None
            response = self.http.request(method, target, content=data, headers=headers)
            self.history.append(response)
        raise RuntimeError("too many redirects: " + " > ".join(str(hop.url) for hop in self.history))

    def page(self, url: str) -> Page:
        """Open a URL that must show a page. Raises RuntimeError if the browser is sent away."""
        return _must_be_page(self.open(url))

    def post(self, url: str, fields: Mapping[str, str] | list[tuple[str, str]]) -> Page | Callback:
        """POST a form that is not on any page."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else fields
        return self._send(urljoin(self.origin + "/", url), pairs, referrer=None)

    def submit(
        self,
        page: Page,
        form: Form,
        button: Button | None = None,
        values: Mapping[str, str] | None = None,
        *,
        unchecked: tuple[str, ...] = (),
    ) -> Page | Callback:
        """Fill in fields and press a button (the first one by default).

        `unchecked` names checkbox values to leave out; every other checkbox stays as the page has it.
        """
        values = dict(values or {})
        unknown = values.keys() - form.names
        if unknown:
            raise LookupError(f"no field {sorted(unknown)} on {page!r}")
        pairs = [(name, value) for name, value in form.fields if name not in values and value not in unchecked]
        pairs += values.items()
        if button is None and form.buttons:
            button = form.buttons[0]
        if button is not None and button.name:
            pairs.append((button.name, button.value))
        target = urljoin(page.url, form.action or page.url)
        if form.method == "get":
            return self.open(target.partition("?")[0] + "?" + urlencode(pairs))
        return self._send(target, pairs, referrer=page.url)

    def _send(self, target: str, pairs: list[tuple[str, str]], referrer: str | None) -> Page | Callback:
        body = urlencode(pairs).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if referrer is not None:
            # What a browser adds to a same-origin form POST.
            headers |= {"Origin": self.origin, "Referer": referrer, "Sec-Fetch-Site": "same-origin"}
        return self.open(target, method="POST", data=body, headers=headers)

    def _page_or_form_post(self, response: httpx.Response) -> Page | Callback:
        page = Page(response)
        # OAuth 2.0 Form Post Response Mode §2: the page sends itself on.
        for form in page.forms if page.data_page == "form-post" else []:
            target = urljoin(page.url, form.action)
            if form.method == "post" and form.action and _origin(target) != self.origin:
                return Callback(target, dict(form.fields), "form_post")
        return page

    # How a person gets through the sign-in pages

    def authorize(
        self,
        url: str,
        person: Person | None = None,
        *,
        decision: str = "allow",
        code: str | None = None,
        unchecked: tuple[str, ...] = (),
    ) -> Page | Callback:
        """Open an authorization URL and act as `person` until the provider sends the browser back.

        Signs in, answers TOTP (with `code`, or one computed from the person's secret) and decides on
        consent. Returns the Callback, or the page at which a person would be stuck: an error, a refused
        password, or a sign-in page when no `person` is given.
        """
        shown = self.open(url)
        seen: set[str | None] = set()
        for _ in range(MOST_PAGES):
            if isinstance(shown, Callback) or person is None or shown.data_page in seen:
                return shown
            answered = self._answer(shown, person, decision, code, unchecked)
            if answered is None:
                return shown
            if shown.data_page != "select-account":
                seen.add(shown.data_page)
            shown = answered
        return shown

    def callback(self, url: str, person: Person | None = None, **options: Any) -> Callback:
        """Like `authorize`, for the case that must end at the relying party. Raises RuntimeError."""
        return _must_be_callback(self.authorize(url, person, **options))

    def _answer(
        self, page: Page, person: Person, decision: str, code: str | None, unchecked: tuple[str, ...]
    ) -> Page | Callback | None:
        if page.data_page == "login":
            return self.log_in(page, person)
        if page.data_page in ("mfa", "totp"):
            return self.enter_code(page, code or current_code(person))
        if page.data_page == "consent":
            form = page.form_with(button=f"consent-{decision}")
            return self.submit(page, form, form.button(id=f"consent-{decision}"), unchecked=unchecked)
        if page.data_page == "select-account":
            return self.select_account(page, person)
        return None

    def log_in(self, page: Page, person: Person) -> Page | Callback:
        """Fill in the sign-in page, on which the name may already be fixed."""
        form = page.form_with(button="login-submit")
        values = {"password": person.password}
        if "username" in form.names:
            values["username"] = person.email
        return self.submit(page, form, form.button(id="login-submit"), values)

    def enter_code(self, page: Page, code: str) -> Page | Callback:
        """Fill in the one-time-code page."""
        form = page.form_with(field="code")
        return self.submit(page, form, values={"code": code})

    def select_account(self, page: Page, person: Person | None) -> Page | Callback:
        """Choose the person's account if the page offers it, else "another account"."""
        for form in page.forms:
            for button in form.buttons:
                if button.name == "account" and person is not None and button.value in (person.id, person.email):
                    return self.submit(page, form, button)
        form = next(form for form in page.forms if any(b.name == "account" for b in form.buttons))
        return self.submit(page, form, form.button(name="account", value=""))


def current_code(person: Person) -> str:
    """The one-time code of this moment."""
    if person.totp_secret is None:
        raise RuntimeError(f"{person.email} has no TOTP secret, and yet a code is asked for")
    return pyotp.TOTP(person.totp_secret).now()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _callback(target: str) -> Callback:
    parts = urlsplit(target)
    if parts.fragment:
        return Callback(target, dict(parse_qsl(parts.fragment, keep_blank_values=True)), "fragment")
    return Callback(target, dict(parse_qsl(parts.query, keep_blank_values=True)), "query")


def _must_be_page(shown: Page | Callback) -> Page:
    if isinstance(shown, Callback):
        raise RuntimeError(f"expected a page, but the browser was sent to {shown.url}")
    return shown


def _must_be_callback(shown: Page | Callback) -> Callback:
    if isinstance(shown, Page):
        raise RuntimeError(f"expected to be sent back to the relying party, but see {shown!r}")
    return shown
