"""DC1, DC2, DC3: what strangers try at the registration endpoint."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import text

from idp.core.fetch import Fetcher
from idp.core.setting_sections import Fetch
from idp.identity.clients.logos import fetch_logo
from idp.storage.db import reading
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Page
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.client_site import ClientSite, client_site
from tests.helpers.images import png
from tests.helpers.registrant import OPEN, Registrant
from tests.helpers.relying_party import CALLBACK, PrivateKey
from tests.helpers.server import Server, running_server

REDIRECTS = ["https://app.example/cb"]
KEY = PrivateKey.generate("ES256")

URI_MEMBERS = [
    "client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri",
    "backchannel_logout_uri", "frontchannel_logout_uri", "client_uri#de", "logo_uri#fr", "policy_uri#de", "tos_uri#de",
]  # fmt: skip
URI_LISTS = ["redirect_uris", "post_logout_redirect_uris", "request_uris"]
SCRIPTS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://app.example/%0aalert(1)", " javascript:alert(1)",
    "java\nscript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "file:///etc/passwd",
    "view-source:https://app.example/", "blob:https://app.example/x",
]  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return loopback_certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory, authority: Certificate) -> Iterator[Server]:
    """Open to everybody, and allowed to fetch from this machine."""
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("open")
        backend = stack.enter_context(fresh_backend(SQLITE, directory))
        trust = {"IDP_FETCH__CA_BUNDLE": str(authority.certificate)}
        yield stack.enter_context(running_server(backend, directory, **OPEN, **trust))


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, authority: Certificate) -> Iterator[Server]:
    """Open to everybody, as in production: only the public Internet is fetched from."""
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("public")
        backend = stack.enter_context(fresh_backend(SQLITE, directory))
        more = {"IDP_FETCH__CA_BUNDLE": str(authority.certificate), "IDP_ENVIRONMENT": "production"}
        yield stack.enter_context(running_server(backend, directory, tls=True, **OPEN, **more))


@pytest.fixture
def registrant(development: Server) -> Registrant:
    return Registrant(development)


@pytest.fixture
def internal(authority: Certificate) -> Iterator[ClientSite]:
    """A service that is nobody's business: whoever asks it has got through."""
    with client_site(authority) as site:
        site.publish("/x", json.dumps({"keys": [KEY.jwk]}))
        site.publish("/sector", json.dumps(REDIRECTS))
        site.publish("/logo", png(), "image/png")
        yield site


def refusal(response: Any, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    return str(response.json()["error"])


def is_alive(registrant: Registrant) -> bool:
    return registrant.post().status_code == 201


# DC1: whoever registers a URL does not make us talk to our own network


def places(internal: ClientSite, path: str) -> list[str]:
    """Where an attacker would like us to go; several of them lead to `internal`."""
    port = internal.origin.rpartition(":")[2]
    return [
        f"https://127.0.0.1:{port}{path}",
        f"https://localhost:{port}{path}",
        f"https://LOCALHOST.:{port}{path}",
        f"https://[::1]:{port}{path}",
        f"https://[::ffff:127.0.0.1]:{port}{path}",
        f"https://[64:ff9b::7f00:1]:{port}{path}",
        f"https://2130706433:{port}{path}",
        f"https://0x7f000001:{port}{path}",
        f"https://127.1:{port}{path}",
        f"https://0:{port}{path}",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/latest/meta-data/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://2852039166/",
        "https://10.0.0.1/",
        "https://[fd00::1]/",
        f"https://user@127.0.0.1:{port}{path}",
    ]


def test_dc1_sector_documents(production: Server, internal: ClientSite) -> None:
    registrant = Registrant(production)
    for uri in places(internal, "/sector"):
        response = registrant.post(redirect_uris=REDIRECTS, sector_identifier_uri=uri)
        assert refusal(response) == "invalid_client_metadata", uri
        assert "certificate" not in response.text, "nothing is told of what answers there"
    assert internal.asked == []


def test_dc1_logos(production: Server, internal: ClientSite) -> None:
    registrant = Registrant(production)
    for uri in places(internal, "/logo"):
        response = registrant.post(redirect_uris=REDIRECTS, logo_uri=uri)
        if response.status_code == 201:
            with production.administrator.provider() as provider:
                client = provider.clients.get(response.json()["client_id"])
            assert client is not None
            assert client.logo_digest is None, uri
        else:
            assert refusal(response) == "invalid_client_metadata", uri
    assert internal.asked == []


def test_dc1_keys(production: Server, internal: ClientSite) -> None:
    registrant = Registrant(production)
    for uri in places(internal, "/x"):
        method = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}
        response = registrant.post(redirect_uris=REDIRECTS, **method)
        if response.status_code != 201:
            assert refusal(response) == "invalid_client_metadata", uri
            continue
        party = registrant.party(response.json(), KEY)
        assert refusal(party.token({"grant_type": "authorization_code", "code": "x"}), 401) == "invalid_client"
    assert internal.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_dc1_redirects_are_not_followed(
    registrant: Registrant, authority: Certificate, internal: ClientSite, status: int
) -> None:
    with client_site(authority) as lure:
        to_sector = lure.publish("/s", internal.origin + "/sector", status=status)
        to_logo = lure.publish("/l", internal.origin + "/logo", status=status)
        to_keys = lure.publish("/k", internal.origin + "/x", status=status)
        sector = registrant.post(redirect_uris=REDIRECTS, sector_identifier_uri=to_sector)
        assert refusal(sector) == "invalid_client_metadata"
        assert registrant.post(redirect_uris=REDIRECTS, logo_uri=to_logo).status_code == 201
        information = registrant.register(token_endpoint_auth_method="private_key_jwt", jwks_uri=to_keys)
        party = registrant.party(information, KEY)
        assert refusal(party.token({"grant_type": "authorization_code", "code": "x"}), 401) == "invalid_client"
        assert lure.asked == ["/s", "/l", "/k"]
    assert internal.asked == []


def test_dc1_a_name_that_changes_its_mind(authority: Certificate, internal: ClientSite) -> None:
    """The name is resolved once; what the attacker's DNS says next is never asked."""
    answers = iter([["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]])
    settings = Fetch(ca_bundle=authority.certificate, timeout=1)
    fetcher = Fetcher(settings, resolve=lambda host, port: next(answers))
    port = internal.origin.rpartition(":")[2]
    fetched = fetch_logo(f"https://rebinding.example:{port}/logo", fetcher)
    assert fetched.logo is None
    assert "public Internet" in str(fetched.problem), "one bad address among them is enough"
    assert len(list(answers)) == 1
    assert internal.asked == []


# DC2: privileged grants


@pytest.mark.parametrize("grant", ["client_credentials", "password", "urn:ietf:params:oauth:grant-type:jwt-bearer"])
def test_dc2_privileged_grants(registrant: Registrant, grant: str) -> None:
    assert refusal(registrant.post(grant_types=[grant])) == "invalid_client_metadata"
    information = registrant.register(grant_types=["authorization_code", grant])
    assert information["grant_types"] == ["authorization_code"]
    party = registrant.party(information)
    asked = {"grant_type": grant, "scope": "orders:read", "username": "x", "password": "x", "assertion": "x"}
    assert refusal(party.token(asked)) in ("unauthorized_client", "unsupported_grant_type")


def test_dc2_not_by_a_change_either(registrant: Registrant) -> None:
    information = registrant.register()
    for grants in (["client_credentials"], ["client_credentials", "authorization_code"]):
        changed = registrant.manage(information, "PUT", **{**information, "grant_types": grants})
        assert "client_credentials" not in changed.json().get("grant_types", [])
    party = registrant.party(information)
    assert refusal(party.client_credentials("orders:read")) == "unauthorized_client"


def test_dc2_a_server_that_would_allow_it_does_not_start(development: Server) -> None:
    settings = {**development.settings, "IDP_REGISTRATION__GRANT_TYPES": "authorization_code client_credentials"}
    done = Server(development.backend, development.directory, settings, 0).run("doctor")
    assert done.returncode != 0
    assert "client_credentials" in done.stdout + done.stderr


def test_dc2_scopes_of_apis_are_not_for_strangers(registrant: Registrant) -> None:
    party = registrant.party(registrant.register(scope="openid orders:write"))
    person = registrant.server.create_user()
    tokens = party.tokens(registrant.server.browser(), person, "openid orders:write")
    assert "orders:write" not in tokens["scope"].split()


@pytest.mark.parametrize(
    "member",
    ["skip_consent", "is_enabled", "is_self_registered", "registration_token_hash", "require_pkce", "localized",
     "rotate_refresh_tokens", "created_at", "logo_digest", "secrets", "__class__", "client_metadata"],
)  # fmt: skip
def test_dc2_members_that_are_not_metadata(registrant: Registrant, member: str) -> None:
    """Mass assignment: what only the operator decides is no member."""
    information = registrant.register(**{member: True})
    assert member not in information
    with registrant.server.administrator.provider() as provider:
        client = provider.clients.get(information["client_id"])
    assert client is not None
    assert (client.skip_consent, client.is_enabled, client.require_pkce) == (False, True, True)


# What would run in a browser


@pytest.mark.parametrize("script", SCRIPTS)
def test_az3_script_in_a_uri(registrant: Registrant, script: str) -> None:
    for member in URI_MEMBERS:
        response = registrant.post(redirect_uris=REDIRECTS, **{member: script})
        assert refusal(response) == "invalid_client_metadata", member
    for member in URI_LISTS:
        for kind in ("web", "native"):
            values = {"redirect_uris": REDIRECTS, "application_type": kind, member: [*REDIRECTS, script]}
            error = refusal(registrant.post(**values))
            assert error == ("invalid_redirect_uri" if member == "redirect_uris" else "invalid_client_metadata"), member


@pytest.mark.parametrize("name", ["Bank\u202egnab", "Bank\x00", "Bank\nSign in", "\u200b", " " * 10, "x" * 256])
def test_az8_names_that_are_no_names(registrant: Registrant, name: str) -> None:
    assert refusal(registrant.post(client_name=name)) == "invalid_client_metadata"
    assert refusal(registrant.post(**{"client_name#de": name})) == "invalid_client_metadata"


# Bodies without measure (WB6)


@pytest.mark.parametrize("count", [101, 5000])
def test_wb6_redirect_uris_by_the_thousand(registrant: Registrant, count: int) -> None:
    response = registrant.post(redirect_uris=[f"https://a.example/{number}" for number in range(count)])
    assert response.status_code in (400, 413)
    assert is_alive(registrant)


@pytest.mark.parametrize("size", [65 * 1024, 1024 * 1024])
def test_wb6_large_bodies(registrant: Registrant, size: int) -> None:
    body = json.dumps({"redirect_uris": REDIRECTS, "padding": "x" * size})
    assert refusal(registrant.post_body(body), 413) == "invalid_request"
    assert is_alive(registrant)


@pytest.mark.parametrize("depth", [500, 1000, 2000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_wb6_deep_json(registrant: Registrant, depth: int, opening: str, closing: str) -> None:
    inner = opening * depth + ("1" if closing == "}" else "") + closing * depth
    for member in ("x", "jwks", "redirect_uris"):
        response = registrant.post_body(f'{{"{member}":{inner},"client_name":"x"}}')
        assert response.status_code in (400, 413), response.text
    assert is_alive(registrant)


@pytest.mark.parametrize(
    "body",
    [
        '{"redirect_uris":["https://app.example/cb"],"redirect_uris":["https://evil.example/cb"]}',
        '{"redirect_uris":["https://app.example/cb"],"jwks":{"keys":[],"keys":[]}}',
        '{"redirect_uris":["https://app.example/cb"],"client_name":"a","client_name":"a"}',
        '{"redirect_uris":["https://app.example/cb"],"client_name":"\\ud800"}',
        '{"redirect_uris":["https://app.example/cb"],"default_max_age":1e999}',
        '{"redirect_uris":["https://app.example/cb"]} {}',
    ],
)
def test_wb6_json_with_two_readings(registrant: Registrant, body: str) -> None:
    assert refusal(registrant.post_body(body)) == "invalid_client_metadata"


@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, "x", [[]], [{}], [None], {"a": None}, -1, 2**70, ["x" * 3000]])
def test_wb6_no_value_breaks_the_server(registrant: Registrant, value: Any) -> None:
    information = registrant.register()
    for member in [*URI_MEMBERS, *URI_LISTS, *information, "jwks", "contacts", "default_max_age", "software_statement"]:
        assert registrant.post(**{member: value}).status_code in (201, 400), member
        changed = registrant.manage(information, "PUT", **{**information, member: value})
        assert changed.status_code in (200, 400), (member, changed.text)


# KY1, DC3


def test_ky1_tokens_and_secrets_are_nowhere_in_clear(registrant: Registrant) -> None:
    server = registrant.server
    with server.administrator.provider() as provider:
        _, initial = provider.initial_access.create(note="canary")
    information = registrant.register(client_name="Canary")
    registrant.manage(information, "PUT", **information)
    registrant.manage(information, token="not-the-" + information["registration_access_token"])
    canaries = [initial, information["registration_access_token"], information["client_secret"]]
    kept = server.log.read_text() + everything_in_the_database(server)
    assert [canary for canary in canaries if canary in kept] == []
    assert "Canary" in kept, "so that the test above means something"


def everything_in_the_database(server: Server) -> str:
    with server.administrator.provider(), reading() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        return "\n".join(str(row) for name in tables for row in connection.execute(text(f'SELECT * FROM "{name}"')))


def test_dc3_a_token_opens_its_own_registration_only(registrant: Registrant) -> None:
    mine, theirs = registrant.register(client_name="Mine"), registrant.register(client_name="Theirs")
    for method in ("GET", "PUT", "DELETE"):
        values = {**theirs, "client_name": "Stolen"} if method == "PUT" else {}
        response = registrant.manage(theirs, method, token=mine["registration_access_token"], **values)
        assert refusal(response, 401) == "invalid_token"
    # Nor by naming the other one in the body.
    response = registrant.manage(mine, "PUT", **{**theirs, "redirect_uris": [CALLBACK]})
    assert refusal(response) == "invalid_client_metadata"
    assert registrant.manage(theirs).json()["client_name"] == "Theirs"


def test_wb1_a_logo_cannot_be_made_a_page(registrant: Registrant, authority: Certificate) -> None:
    script = b"<script>alert(document.domain)</script>"
    with client_site(authority) as site:
        polyglot = png(padding=10).replace(b"x" * 10, script[:10]) + script
        information = registrant.register(logo_uri=site.publish("/logo.html", polyglot, "image/png"))
    with registrant.server.administrator.provider() as provider:
        digest = getattr(provider.clients.get(information["client_id"]), "logo_digest", None)
    response = registrant.http.get(f"{registrant.server.issuer}/client-logos/{digest}")
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_file_of_trusted_issuers_that_is_none(development: Server, tmp_path: Path) -> None:
    for content in ("{", "{}", "[1]", '[{"issuer": "x"}]', '[{"issuer": "x", "jwks_uri": "http://x.example"}]'):
        (tmp_path / "issuers.json").write_text(content)
        trusted = str(tmp_path / "issuers.json")
        settings = {**development.settings, "IDP_REGISTRATION__TRUSTED_SOFTWARE_ISSUERS": trusted}
        done = Server(development.backend, development.directory, settings, 0).run("client", "list")
        assert done.returncode == 1, content
        assert "issuers.json" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "extra",
    ["10000000000000000000000000000000", "[" * 300 + "]" * 300, '"x"', '{"d": "secret"}'],
    ids=["a number that nothing holds", "depth", "text", "an object"],
)
def test_dc1_what_a_key_brings_along(development: Server, extra: str) -> None:
    """Answered in good order whatever it is, and not kept: it would be shown again, or be in the way."""
    registrant = Registrant(development)
    key = json.dumps(KEY.jwk)[:-1] + f', "extra": {extra}' + "}"
    response = registrant.post_body(f'{{"redirect_uris": ["{CALLBACK}"], "jwks": {{"keys": [{key}]}}}}')
    assert response.status_code in (201, 400)
    if response.status_code == 201:
        assert "extra" not in response.json()["jwks"]["keys"][0]
    else:
        assert response.json()["error"] == "invalid_client_metadata"


# RFC 9700 §4.11.2: whoever registers a client must not get a link of ours that leads to any site


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_nobody_is_led_away_by_a_client_that_nobody_vouches_for(development: Server, mode: str) -> None:
    registrant = Registrant(development)
    party = registrant.party(registrant.register(redirect_uris=["https://phisher.example/cb"], client_name="Your Bank"))
    browser, person = development.browser(), development.create_user()
    for params in ({"scope": "nonsense"}, {"response_type": "code id_token"}, {"request": "x.y.z"}, {"prompt": "x"}):
        request = party.authorization_request(**{"scope": "openid", "response_mode": mode, **params})
        page = browser.open(request.url)
        assert isinstance(page, Page), page
        assert (page.data_page, page.status) == ("unvouched", 400)
        assert "phisher.example" in page.text
    if mode == "form_post":
        (form,) = [form for form in page.forms if form.action == "https://phisher.example/cb"]
        answer = dict(form.fields)
    else:
        (link,) = [link for link in page.links if link.startswith("https://phisher.example/")]
        answer = dict(parse_qsl(urlsplit(link).query))
    # Whoever goes on brings the application the answer that it waits for.
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", request.state, party.issuer)
    # Silent requests are answered silently, and so is who has signed in here.
    silent = browser.callback(party.authorization_request(prompt="none").url)
    assert silent.params["error"] == "login_required"
    party.tokens(browser, person)
    assert browser.callback(party.authorization_request("nonsense").url).params["error"] == "invalid_scope"
