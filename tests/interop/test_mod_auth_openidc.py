"""Apache's mod_auth_openidc, as Debian ships it: a web site behind sign-in, and two APIs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.helpers.apache import Ports, apache, apache_binary
from tests.helpers.backends import fresh_backend
from tests.helpers.browser import Person, http_client
from tests.helpers.needs import need
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server

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
            redirect_uris=[ports.callback], post_logout_redirect_uris=[ports.goodbye], client_name="Apache"
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


def sign_in(site: Site, visit: Callable[[str], httpx.Response], person: Person) -> httpx.Response:
    """Ask for the protected page and come back to it through the provider."""
    asked = visit(site.url(site.ports.web, "/protected/"))
    assert asked.status_code == 302, asked.text
    assert asked.headers["Location"].startswith(site.web.metadata["authorization_endpoint"])
    callback = site.server.browser().callback(asked.headers["Location"], person)
    returned = visit(callback.url)
    assert returned.status_code == 302, f"{returned.text}\n{site.log.read_text()}"
    return visit(returned.headers["Location"])


def test_a_visitor_signs_in_and_out(site: Site, visit: Callable[[str], httpx.Response]) -> None:
    person = site.server.create_user(name="Ada Example")
    page = sign_in(site, visit, person)
    assert page.status_code == 200
    assert page.text == "the protected page\n"
    assert page.headers["X-Seen-Sub"] == person.id
    assert page.headers["X-Seen-Email"] == person.email
    assert page.headers["X-Seen-Issuer"] == site.server.issuer

    leaving = visit(site.ports.callback + "?logout=" + site.ports.goodbye)
    assert leaving.headers["Location"].startswith(site.web.metadata["end_session_endpoint"])
    assert site.server.browser().open(leaving.headers["Location"]).url.startswith(site.ports.goodbye)
    assert visit(site.url(site.ports.web, "/protected/")).status_code == 302


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
