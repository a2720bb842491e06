"""The ways in which the provider is put before the world: TLS of its own, behind a proxy, under gunicorn."""

import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest

from tests.helpers.administrator import Administrator
from tests.helpers.apache import apache_binary
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.needs import need
from tests.helpers.processes import free_port, start, stopping, wait_until
from tests.helpers.relying_party import LOGGED_OUT, RelyingParty, half_hash
from tests.helpers.server import Server, clean_environment, prepared_server, running_server
from tests.journeys.reverse_proxy import reverse_proxy
from tests.journeys.walk import CLIENT, main_journey, silent
from tests.protocol.logout_receiver import logout_receiver
from tests.protocol.test_oidc_back_channel_logout import verified
from tests.protocol.test_oidc_front_channel_logout import frames_of

pytestmark = pytest.mark.slow

LIMIT = 3
"""Wrong passwords that one address may have in these tests."""
SPOOFED = "203.0.113.7"


def set_cookies(browser: Browser) -> list[str]:
    """Every Set-Cookie of the last navigation."""
    return [value for response in browser.history for value in response.headers.get_list("set-cookie")]


def guess(browser: Browser, party: RelyingParty, person: Person) -> int:
    """The status that a wrong password is answered with: 422, or 429 once the limit is reached."""
    page = browser.page(party.authorization_request().url)
    shown = browser.log_in(page, Person(person.email, "not the password"))
    assert isinstance(shown, Page)
    return shown.status


def from_address(origin: str, address: str, tls: ssl.SSLContext | bool = True, **headers: str) -> Browser:
    """A browser on another machine, as far as loopback addresses go."""
    browser = Browser(origin)
    browser.http = httpx.Client(
        transport=httpx.HTTPTransport(
            verify=tls, local_address=address, limits=httpx.Limits(max_keepalive_connections=0)
        ),
        headers={**browser.http.headers, **headers},
        timeout=30,
    )
    return browser


# TLS of its own


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`idp serve --cert --key`."""
    directory = tmp_path_factory.mktemp("tls")
    with fresh_backend(SQLITE, directory) as backend, running_server(backend, directory, tls=True) as server:
        yield server


def test_journey_over_tls(tls_server: Server) -> None:
    person = tls_server.create_user(totp=True)
    main_journey(tls_server.create_client(**CLIENT), tls_server.browser(), person)


def test_se3_cookies_are_bound_to_the_host(tls_server: Server) -> None:
    """SE3: no subdomain and no plain-http page can plant or read one (RFC 6265bis §4.1.3)."""
    browser, party = tls_server.browser(), tls_server.create_client(skip_consent=True)
    seen: dict[str, str] = {}
    page = browser.page(party.authorization_request().url)
    cookies = set_cookies(browser)
    shown = browser.log_in(page, tls_server.create_user())
    assert isinstance(shown, Callback)
    cookies += set_cookies(browser)
    browser.open("/language/de")
    cookies += set_cookies(browser)
    for cookie in cookies:
        name, _, attributes = cookie.partition("=")
        seen[name] = attributes.partition(";")[2].lower()
    assert set(seen) == {"__Host-idp-browser", "__Host-idp-session", "__Host-idp-accounts", "__Host-idp-locale"}
    for name, attributes in seen.items():
        parts = {part.strip() for part in attributes.split(";")}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts, name
        assert "domain" not in attributes, name


def test_hsts_on_every_answer(tls_server: Server) -> None:
    browser = tls_server.browser()
    for path in ("/", "/.well-known/openid-configuration", "/oauth2/token", "/nothing", "/static/idp.css"):
        shown = browser.open(path)
        assert isinstance(shown, Page)
        assert "max-age=63072000" in shown.headers["Strict-Transport-Security"], path


def test_a_plain_http_cookie_is_no_session(tls_server: Server) -> None:
    """The value of a good session under the name that plain http may set."""
    browser, party = tls_server.browser(), tls_server.create_client(skip_consent=True)
    party.sign_in(browser, tls_server.create_user())
    assert silent(party, browser) == "code"
    value = browser.cookies["__Host-idp-session"]
    browser.cookies.delete("__Host-idp-session")
    browser.cookies.set("idp-session", value, domain="127.0.0.1")
    assert silent(party, browser) == "login_required"


# Behind a proxy, under a path


@dataclass(frozen=True, slots=True)
class Proxied:
    """A server behind Apache; `server` itself is reached by what stands beside it in the network."""

    server: Server
    certificate: Certificate

    @property
    def issuer(self) -> str:
        """The issuer, which is at Apache."""
        return self.server.issuer

    @property
    def administrator(self) -> Administrator:
        """Whoever makes users, clients and APIs."""
        return self.server.administrator

    def browser(self, address: str = "127.0.0.1", **headers: str) -> Browser:
        """A browser out in the world."""
        return from_address(self.server.issuer, address, self.certificate.trusting, **headers)

    def create_client(self, **options: object) -> RelyingParty:
        """A relying party out in the world."""
        party = self.server.administrator.create_client(**options)
        party.tls = self.certificate.trusting
        return party


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """https at Apache, a path in the issuer, and Apache's address trusted."""
    try:
        apache_binary()
    except FileNotFoundError as error:
        need(False, str(error))
    directory, port = tmp_path_factory.mktemp("proxied"), free_port()
    certificate = loopback_certificate(directory)
    settings = {
        "IDP_ISSUER": f"https://127.0.0.1:{port}/sso/idp",
        "IDP_TRUSTED_PROXIES": "127.0.0.1/32",
        "IDP_THROTTLE__ADDRESS_FAILURES": str(LIMIT),
    }
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, **settings) as server,
        reverse_proxy(port, server.port, "/", certificate),
    ):
        yield Proxied(server, certificate)


def test_journey_behind_a_proxy(proxied: Proxied) -> None:
    person = proxied.server.create_user(totp=True)
    main_journey(proxied.create_client(**CLIENT), proxied.browser(), person)


def test_everything_lives_under_the_path(proxied: Proxied) -> None:
    issuer = proxied.server.issuer
    party, browser = proxied.create_client(), proxied.browser()
    endpoints = [value for name, value in party.metadata.items() if name.endswith(("_endpoint", "_uri"))]
    assert endpoints
    assert all(url.startswith(issuer + "/") for url in endpoints)
    page = browser.page(party.authorization_request().url)
    addresses = [form.action for form in page.forms] + [link for link in page.links if "://" not in link]
    assert all(urljoin(page.url, url).startswith(issuer + "/") for url in addresses), addresses
    for asset in ("idp.css", "idp.js", "favicon.svg"):
        start_of_url = page.html.index(f"/static/{asset}")
        assert page.html[:start_of_url].endswith(urlsplit(issuer).path)
        assert browser.page(f"{issuer}/static/{asset}").status == 200


def test_well_known_documents_in_both_places(proxied: Proxied) -> None:
    """Appended to the path (OpenID Connect Discovery §4) and inserted before it (RFC 8414 §3.1)."""
    origin, path = proxied.server.issuer.removesuffix("/sso/idp"), "/sso/idp"
    browser = proxied.browser()
    documents = [
        browser.page(f"{origin}{path}/.well-known/openid-configuration"),
        browser.page(f"{origin}{path}/.well-known/oauth-authorization-server"),
        browser.page(f"{origin}/.well-known/oauth-authorization-server{path}"),
        browser.page(f"{origin}/.well-known/openid-configuration{path}"),
    ]
    assert {document.status for document in documents} == {200}
    assert {document.response.json()["issuer"] for document in documents} == {proxied.server.issuer}


def test_the_address_is_the_one_before_the_proxy(proxied: Proxied) -> None:
    """LG5: what the trusted hop saw counts; what the browser claims about itself does not."""
    party, person = proxied.create_client(), proxied.server.create_user()
    # The proxy is configured as docs/how-to/run-in-production.md has it: the server could not tell the names apart.
    folded = {"X-Forwarded-For": SPOOFED, "X_Forwarded_For": SPOOFED, "X_Forwarded-For": SPOOFED}
    for address, headers in (("127.0.0.2", {}), ("127.0.0.3", {"X-Forwarded-For": SPOOFED}), ("127.0.0.7", folded)):
        party.sign_in(proxied.browser(address, **headers), person)
    with proxied.server.administrator.provider() as provider:
        addresses = {session.ip_address for session in provider.sessions.list(person.id)}
    assert addresses == {"127.0.0.2", "127.0.0.3", "127.0.0.7"}


def test_limits_count_the_address_before_the_proxy(proxied: Proxied) -> None:
    party = proxied.create_client()
    people = [proxied.server.create_user() for _ in range(LIMIT + 2)]
    statuses = [guess(proxied.browser("127.0.0.4"), party, person) for person in people]
    assert statuses == [422] * LIMIT + [429, 429]
    # Claiming to be somebody else changes nothing; being somebody else does.
    assert guess(proxied.browser("127.0.0.4", **{"X-Forwarded-For": SPOOFED}), party, people[0]) == 429
    assert guess(proxied.browser("127.0.0.5"), party, people[0]) == 422


def test_wb6_a_proxy_waits_for_whole_requests(proxied: Proxied) -> None:
    """Clients that stall in the middle of a form are the proxy's to wait for; the server never hears of them."""
    issuer = urlsplit(proxied.server.issuer)
    head = f"POST {issuer.path}/oauth2/token HTTP/1.1\r\nHost: {issuer.netloc}\r\nContent-Length: 100\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type="
    with contextlib.ExitStack() as stack:
        for _ in range(24):
            plain = stack.enter_context(socket.create_connection((issuer.hostname, issuer.port), timeout=10))
            client = stack.enter_context(proxied.certificate.trusting.wrap_socket(plain, server_hostname="127.0.0.1"))
            client.sendall((head + form).encode())
        time.sleep(0.5)
        begun = time.monotonic()
        assert proxied.browser().page(f"{proxied.server.issuer}/").status == 200
        assert time.monotonic() - begun < 5


def test_rs1_links_do_not_follow_forwarded_hosts(proxied: Proxied) -> None:
    browser = proxied.browser(
        **{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil"}
    )
    page = browser.page(proxied.create_client().authorization_request().url)
    assert page.data_page == "login"
    assert "evil" not in page.html
    document = browser.page(f"{proxied.server.issuer}/.well-known/openid-configuration")
    assert "evil" not in document.html


def test_an_untrusted_peer_is_not_believed(sqlite_server: Server) -> None:
    """LG5, without any proxy configured: the header is anybody's to write."""
    party, person = sqlite_server.create_client(), sqlite_server.create_user()
    browser = from_address(sqlite_server.issuer, "127.0.0.6", **{"X-Forwarded-For": SPOOFED, "X-Real-IP": SPOOFED})
    party.sign_in(browser, person)
    with sqlite_server.administrator.provider() as provider:
        assert [session.ip_address for session in provider.sessions.list(person.id)] == ["127.0.0.6"]


# What else browsers carry, in both


@pytest.fixture(params=["tls_server", "proxied"])
def deployment(request: pytest.FixtureRequest) -> Server | Proxied:
    """The one and the other."""
    deployment: Server | Proxied = request.getfixturevalue(request.param)
    return deployment


def test_a_posted_request_answered_by_a_posted_form(deployment: Server | Proxied) -> None:
    """From another site and back to it: cookies stay at home on the way in, and tokens come in the body."""
    party = deployment.create_client(
        skip_consent=True,
        grant_types=["authorization_code", "implicit"],
        response_types=["code", "code id_token"],
        redirect_uris=["https://app.example.com/callback"],
    )
    browser, person = deployment.browser(), deployment.administrator.create_user()
    party.sign_in(browser, person)
    request = party.authorization_request(response_type="code id_token", response_mode="form_post", prompt="none")
    # The application's connection has no cookies of ours, like a browser that comes from elsewhere with a POST.
    arrived = party.http.post(party.metadata["authorization_endpoint"], data=request.params)
    assert arrived.status_code == 303
    onward = urljoin(party.metadata["authorization_endpoint"], arrived.headers["Location"])
    assert onward.startswith(deployment.issuer + "/")
    callback = browser.callback(onward)
    assert callback.mode == "form_post"
    party.check_callback(request, callback)
    first = party.verify_id_token(callback["id_token"], nonce=request.nonce)
    assert first["c_hash"] == half_hash(callback["code"], "RS256")
    tokens = party.exchange(request, callback).json()
    claims = party.verify_id_token(tokens["id_token"], nonce=request.nonce, access_token=tokens["access_token"])
    assert claims["sub"] == first["sub"] == person.id


def test_signing_out_tells_applications_in_frames_and_behind_them(deployment: Server | Proxied) -> None:
    with logout_receiver() as receiver:
        party = deployment.create_client(
            backchannel_logout_uri=receiver.uri,
            frontchannel_logout_uri="http://127.0.0.1:9/front-channel",
            frontchannel_logout_session_required=True,
            post_logout_redirect_uris=[LOGGED_OUT],
        )
        browser = deployment.browser()
        tokens = party.tokens(browser, deployment.administrator.create_user())
        url = party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT)
        page = browser.page(url)
        with deployment.administrator.provider() as provider:
            provider.courier.deliver()
    (frame,) = frames_of(page)
    query = dict(parse_qsl(urlsplit(frame).query))
    assert query == {"iss": deployment.issuer, "sid": tokens["claims"]["sid"]}
    assert "frame-src http://127.0.0.1:9" in page.headers["Content-Security-Policy"]
    assert LOGGED_OUT in page.links
    (token,) = receiver.tokens
    assert verified(party, token)["sid"] == tokens["claims"]["sid"]
    assert silent(party, browser) == "login_required"


def test_the_doctor_finds_nothing_to_complain_about_behind_a_proxy(proxied: Proxied) -> None:
    client, authority = proxied.create_client(), proxied.certificate.certificate
    options = ["--issuer", proxied.issuer, "--ca-bundle", str(authority), "--client-id", client.client_id]
    options += ["--redirect-uri", client.redirect_uri, "--client-secret-stdin"]
    findings = proxied.server.cli("doctor", *options, stdin=f"{client.client_secret}\n")
    assert {"sign-in.state", "sign-in.secret"} <= {finding["check"] for finding in findings}
    assert [finding for finding in findings if finding["level"] != "ok"] == []


# gunicorn


def test_journey_under_gunicorn(tmp_path: Path) -> None:
    """`gunicorn idp.wsgi:app` in place of `idp serve`, loaded by each worker or once for all."""
    with fresh_backend(SQLITE, tmp_path) as backend, prepared_server(backend, tmp_path) as server:
        for options in (("--worker-class", "gthread", "--threads", "4"), ("--preload",)):
            command = [sys.executable, "-m", "gunicorn", "idp.wsgi:app", "--bind", f"127.0.0.1:{server.port}"]
            command += ["--workers", "2", "--no-control-socket", *options]
            log = tmp_path / "gunicorn.log"
            process = start(command, log, env=clean_environment(server.settings), cwd=tmp_path)
            with stopping(process):
                wait_until(server.is_ready, process, log, "gunicorn")
                for totp in (False, True):
                    person = server.create_user(totp=totp)
                    main_journey(server.create_client(**CLIENT), server.browser(), person)
            assert process.returncode == 0, options
