"""Apache's mod_auth_openidc, as Debian ships it: a web site behind sign-in, and two APIs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.helpers.apache import Ports, apache, apache_binary
from tests.helpers.backends import fresh_backend
from tests.helpers.browser import Browser, Page, Person, http_client
from tests.helpers.gallery import CHROMIUM, CHROMIUM_ARGS
from tests.helpers.needs import need
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server
from tests.protocol.test_oidc_front_channel_logout import frames_of

pytestmark = pytest.mark.interop


@dataclass(frozen=True, slots=True)
class Site:
    """A running Apache and the provider that it trusts."""

    server: Server
    ports: Ports
    web: RelyingParty
    audience: str
    log: Path

    def url(self, port: int, path: str = "/") -> str:
        """An address of this Apache."""
        return f"http://127.0.0.1:{port}{path}"


def _is_installed() -> bool:
    try:
        return bool(apache_binary())
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Apache beside a provider that speaks TLS, because the module wants its keys over https."""
    need(_is_installed(), "apache2 and libapache2-mod-auth-openidc are not installed")
    directory = tmp_path_factory.mktemp("provider")
    with (
        fresh_backend("sqlite", directory) as backend,
        running_server(backend, directory, tls=True) as server,
    ):
        ports = Ports.choose()
        web = server.create_client(
            client_name="Apache",
            redirect_uris=[ports.callback],
            post_logout_redirect_uris=[ports.goodbye],
            frontchannel_logout_uri=ports.callback + "?logout=get",
            frontchannel_logout_session_required=True,
            backchannel_logout_uri=ports.callback + "?logout=backchannel",
            backchannel_logout_session_required=True,
        )
        api = server.create_client(redirect_uris=[], grant_types=["client_credentials"])
        audience = server.create_api({"site:read": "Read the site"}, introspection_clients=[api.client_id])
        with apache(ports, web, api, audience, server.certificate_file) as log:
            yield Site(server, ports, web, audience, log)


@pytest.fixture
def visit() -> Iterator[Callable[[str], httpx.Response]]:
    """The browser at Apache; the one at the provider is another, because cookies do not know ports."""
    with http_client() as http:
        http.follow_redirects = False
        yield http.get


@pytest.fixture
def bystander(site: Site) -> Iterator[Callable[[str], httpx.Response]]:
    """The browser of somebody else, who is signed in too and stays so."""
    with http_client() as http:
        http.follow_redirects = False
        assert sign_in(site, http.get, site.server.create_user()).status_code == 200
        yield http.get


def ask(site: Site, visit: Callable[[str], httpx.Response]) -> httpx.Response:
    """The protected page, or the way to the provider."""
    return visit(site.url(site.ports.web, "/protected/"))


def sign_in(
    site: Site, visit: Callable[[str], httpx.Response], person: Person, browser: Browser | None = None
) -> httpx.Response:
    """Ask for the protected page and come back to it through the provider."""
    asked = ask(site, visit)
    assert asked.status_code == 302, asked.text
    assert asked.headers["Location"].startswith(site.web.metadata["authorization_endpoint"])
    callback = (browser or site.server.browser()).callback(asked.headers["Location"], person)
    returned = visit(callback.url)
    assert returned.status_code == 302, f"{returned.text}\n{site.log.read_text()}"
    return visit(returned.headers["Location"])


def test_a_visitor_signs_in_and_out(site: Site, visit: Callable[[str], httpx.Response]) -> None:
    person, browser = site.server.create_user(name="Ada Example"), site.server.browser()
    page = sign_in(site, visit, person, browser)
    assert page.status_code == 200
    assert page.text == "the protected page\n"
    assert page.headers["X-Seen-Sub"] == person.id
    assert page.headers["X-Seen-Email"] == person.email
    assert page.headers["X-Seen-Issuer"] == site.server.issuer

    leaving = visit(site.ports.callback + "?logout=" + site.ports.goodbye)
    assert leaving.headers["Location"].startswith(site.web.metadata["end_session_endpoint"])
    left = browser.page(leaving.headers["Location"])
    assert left.data_page == "logged-out"
    assert site.ports.goodbye in left.links, "by way of the frames of those who want to know"
    assert ask(site, visit).status_code == 302


def sign_out_elsewhere(site: Site, browser: Browser, person: Person) -> Page:
    """Sign in with another application on the same browser, and sign out there; Apache does not know of it."""
    other = site.server.create_client()
    hint = other.tokens(browser, person)["id_token"]
    return browser.page(other.logout_url(id_token_hint=hint))


@pytest.mark.parametrize("has_cookie", [True, False])
def test_a_frame_ends_the_session(
    site: Site,
    visit: Callable[[str], httpx.Response],
    bystander: Callable[[str], httpx.Response],
    has_cookie: bool,
) -> None:
    """OpenID Connect Front-Channel Logout: with Apache's cookie, or by `sid` where browsers keep it from frames."""
    person, browser = site.server.create_user(), site.server.browser()
    assert sign_in(site, visit, person, browser).status_code == 200
    (frame,) = frames_of(sign_out_elsewhere(site, browser, person))
    assert frame.startswith(f"{site.ports.callback}?logout=get&iss=")
    assert ask(site, visit).status_code == 200, "not before it is loaded"
    with http_client() as without_cookies:
        loaded = (visit if has_cookie else without_cookies.get)(frame)
    assert (loaded.status_code, "Logged Out" in loaded.text) == (200, True), site.log.read_text()
    assert ask(site, visit).status_code == 302
    assert ask(site, bystander).status_code == 200


@pytest.mark.browser
def test_a_real_browser_loads_the_frame(site: Site) -> None:
    """From https to plain http on this machine; Apache does not want to be shown, which nobody asks it for."""
    person = site.server.create_user()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        window = chromium.new_context(ignore_https_errors=True).new_page()
        window.goto(site.url(site.ports.web, "/protected/"))
        window.locator("#username").fill(person.email)
        window.locator("#password").fill(person.password)
        window.locator("#login-submit").click()
        window.locator("#consent-allow").click()
        window.wait_for_url("**/protected/")
        assert "the protected page" in window.content()
        with window.expect_response(f"{site.ports.callback}?logout=get*") as frame:
            window.goto(site.web.metadata["end_session_endpoint"])
            window.locator("#logout-confirm").click()
        assert frame.value.status == 200
        window.goto(site.url(site.ports.web, "/protected/"))
        assert window.url.startswith(site.server.issuer), "to sign in again"
        chromium.close()


def test_a_logout_token_ends_the_session(
    site: Site, visit: Callable[[str], httpx.Response], bystander: Callable[[str], httpx.Response]
) -> None:
    """OpenID Connect Back-Channel Logout: our worker tells Apache, and nobody loads a frame."""
    person, browser = site.server.create_user(), site.server.browser()
    assert sign_in(site, visit, person, browser).status_code == 200
    with site.server.worker():
        sign_out_elsewhere(site, browser, person)
        deadline = time.monotonic() + 30
        while ask(site, visit).status_code == 200:
            assert time.monotonic() < deadline, site.log.read_text()
            time.sleep(0.1)
        while (last := last_message(site)) == "waiting":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert last == "delivered", "Apache says that it has understood"
    assert ask(site, bystander).status_code == 200


def last_message(site: Site) -> str:
    """What has become of the latest message to Apache."""
    with site.server.administrator.provider() as provider:
        return max(provider.outbox.list(50, recipient=site.web.client_id), key=lambda sent: sent.created_at).state


@pytest.mark.parametrize("door", ["by_keys", "by_introspection"])
def test_an_api_takes_our_access_tokens(site: Site, door: str) -> None:
    machine = site.server.create_client(redirect_uris=[], grant_types=["client_credentials"], scope="site:read")
    token = machine.client_credentials("site:read", resource=site.audience).json()["access_token"]
    url = site.url(getattr(site.ports, door))
    with http_client() as http:
        assert http.get(url).status_code == 401
        answer = http.get(url, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, site.log.read_text()
        assert answer.headers["X-Seen-Sub"] == machine.client_id
        damaged = token[:-6] + ("A" * 6 if not token.endswith("A" * 6) else "B" * 6)
        assert http.get(url, headers={"Authorization": f"Bearer {damaged}"}).status_code == 401
