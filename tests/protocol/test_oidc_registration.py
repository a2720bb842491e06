"""OpenID Connect Dynamic Client Registration 1.0: the members it adds, honoured where they matter."""

import json
import time
from typing import Any

import jwt
import pytest

from idp.core.events import Event
from idp.core.images import recognize
from tests.helpers.browser import Browser
from tests.helpers.client_site import ClientSite
from tests.helpers.images import gif, jpeg, png, webp
from tests.helpers.registrant import Registrant
from tests.helpers.relying_party import CALLBACK, PrivateKey
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, success_of

HTTPS = "https://app.example/cb"


@pytest.fixture
def browser(open_server: Server) -> Browser:
    """A browser at the open server."""
    return open_server.browser()


# Redirect URIs and the kind of application (§2)


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"redirect_uris": ["http://app.example/cb"], "application_type": "web"}, "invalid_redirect_uri"),
        ({"redirect_uris": ["com.example.app:/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/cb"], "application_type": "native"}, "invalid_redirect_uri"),
        (
            {"redirect_uris": ["http://localhost/cb"], "grant_types": ["implicit"], "response_types": ["id_token"]},
            "invalid_redirect_uri",
        ),
        (
            {"redirect_uris": ["https://localhost/cb"], "grant_types": ["implicit"], "response_types": ["id_token"]},
            "invalid_redirect_uri",
        ),
        ({"application_type": "toaster"}, "invalid_client_metadata"),
    ],
)
def test_redirect_uris_that_do_not_fit(registrant: Registrant, metadata: dict[str, Any], error: str) -> None:
    assert error_of(registrant.post(**metadata)) == error


@pytest.mark.parametrize(
    "uri", ["com.example.app:/cb", "com.example.app://cb", "http://127.0.0.1/cb", "http://[::1]/cb", HTTPS]
)
def test_native_applications(registrant: Registrant, uri: str) -> None:
    information = registrant.register(redirect_uris=[uri], application_type="native")
    assert (information["redirect_uris"], information["application_type"]) == ([uri], "native")


def test_implicit_and_hybrid_clients(registrant: Registrant, browser: Browser) -> None:
    information = registrant.register(
        redirect_uris=[HTTPS],
        grant_types=["authorization_code", "implicit"],
        response_types=["code", "id_token token", "code token id_token"],
    )
    assert information["response_types"] == ["code", "id_token token", "code id_token token"]
    party = registrant.party(information)
    request = party.authorization_request(response_type="id_token token")
    callback = browser.callback(request.url, registrant.server.create_user())
    assert callback.mode == "fragment"
    party.verify_id_token(callback["id_token"], nonce=request.nonce, access_token=callback["access_token"])


@pytest.mark.parametrize("field", ["initiate_login_uri", "sector_identifier_uri"])
@pytest.mark.parametrize("scheme", ["http", "javascript", "com.example.app"])
def test_uris_that_must_use_https(registrant: Registrant, field: str, scheme: str) -> None:
    response = registrant.post(redirect_uris=[HTTPS], **{field: f"{scheme}://app.example/x"})
    assert error_of(response) == "invalid_client_metadata"


def test_an_initiate_login_uri_comes_back(registrant: Registrant) -> None:
    uri = "https://app.example/sign-in"
    assert registrant.register(initiate_login_uri=uri)["initiate_login_uri"] == uri


# Sectors and pairwise subjects (§5)


def test_a_sector_whose_document_has_every_redirect_uri(registrant: Registrant, site: ClientSite) -> None:
    uris = ["https://a.example/cb", "https://b.example/cb"]
    uri = site.publish("/sector.json", json.dumps([*uris, "https://c.example/cb"]))
    information = registrant.register(redirect_uris=uris, sector_identifier_uri=uri, subject_type="pairwise")
    assert (information["sector_identifier_uri"], information["subject_type"]) == (uri, "pairwise")
    assert site.asked == ["/sector.json"]


@pytest.mark.parametrize(
    "document", ['["https://a.example/cb"]', "[]", "{}", "null", "[1, 2]", "no JSON", '["https://b.example/cb/"]']
)
def test_a_sector_whose_document_lacks_one(registrant: Registrant, site: ClientSite, document: str) -> None:
    uri = site.publish("/sector.json", document)
    response = registrant.post(
        redirect_uris=["https://a.example/cb", "https://b.example/cb"], sector_identifier_uri=uri
    )
    assert error_of(response) == "invalid_client_metadata"


def test_a_sector_whose_document_is_not_there(registrant: Registrant, site: ClientSite) -> None:
    response = registrant.post(redirect_uris=[HTTPS], sector_identifier_uri=site.origin + "/missing")
    assert error_of(response) == "invalid_client_metadata"


def test_clients_of_a_sector_know_people_alike_and_others_do_not(registrant: Registrant, site: ClientSite) -> None:
    person = registrant.server.create_user()
    uris = [CALLBACK, "http://127.0.0.1:9/other"]
    sector = site.publish("/sector.json", json.dumps(uris))

    def subject(**metadata: Any) -> str:
        party = registrant.party(registrant.register(**metadata))
        return str(party.tokens(registrant.server.browser(), person)["claims"]["sub"])

    first = subject(redirect_uris=uris[:1], subject_type="pairwise", sector_identifier_uri=sector)
    second = subject(redirect_uris=uris[1:], subject_type="pairwise", sector_identifier_uri=sector)
    public = subject(redirect_uris=uris[:1])
    assert first == second != public
    assert public == person.id


def test_pairwise_subjects_of_several_hosts_need_a_sector(registrant: Registrant) -> None:
    uris = ["https://a.example/cb", "https://b.example/cb"]
    assert error_of(registrant.post(redirect_uris=uris, subject_type="pairwise")) == "invalid_client_metadata"


# What is asked for is done (§2)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_algorithms_are_honoured(registrant: Registrant, browser: Browser, alg: str) -> None:
    information = registrant.register(id_token_signed_response_alg=alg, userinfo_signed_response_alg=alg)
    assert information["id_token_signed_response_alg"] == alg
    party = registrant.party(information)
    tokens = party.tokens(browser, registrant.server.create_user())
    assert jwt.get_unverified_header(tokens["id_token"])["alg"] == alg
    userinfo = party.userinfo(tokens["access_token"])
    assert userinfo.headers["Content-Type"].startswith("application/jwt")
    assert jwt.get_unverified_header(userinfo.text)["alg"] == alg


@pytest.mark.parametrize(
    "field",
    ["id_token_signed_response_alg", "userinfo_signed_response_alg", "token_endpoint_auth_signing_alg",
     "request_object_signing_alg", "id_token_encrypted_response_alg"],
)  # fmt: skip
def test_algorithms_that_there_are_not(registrant: Registrant, field: str) -> None:
    assert error_of(registrant.post(**{field: "XX999"})) == "invalid_client_metadata"


def test_an_id_token_without_signature_cannot_be_had(registrant: Registrant) -> None:
    assert error_of(registrant.post(id_token_signed_response_alg="none")) == "invalid_client_metadata"


@pytest.mark.parametrize("enc", ["id_token_encrypted_response_enc", "userinfo_encrypted_response_enc"])
def test_an_encryption_without_its_algorithm(registrant: Registrant, enc: str) -> None:
    assert error_of(registrant.post(**{enc: "A128GCM"})) == "invalid_client_metadata"


def test_default_max_age(registrant: Registrant, browser: Browser) -> None:
    person = registrant.server.create_user()
    party = registrant.party(registrant.register(default_max_age=1))
    first = party.tokens(browser, person)["claims"]["auth_time"]
    deadline = time.monotonic() + 10
    while time.time() < first + 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert browser.page(party.authorization_request().url).data_page == "login"
    assert party.tokens(browser, person)["claims"]["auth_time"] > first


def test_require_auth_time(registrant: Registrant, browser: Browser) -> None:
    information = registrant.register(require_auth_time=True)
    assert information["require_auth_time"] is True
    tokens = registrant.party(information).tokens(browser, registrant.server.create_user())
    assert isinstance(tokens["claims"]["auth_time"], int)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_methods_of_authentication(registrant: Registrant, browser: Browser, method: str) -> None:
    party = registrant.party(registrant.register(token_endpoint_auth_method=method))
    assert party.tokens(browser, registrant.server.create_user())["id_token"]


@pytest.mark.parametrize("by_address", [False, True])
def test_private_key_jwt(registrant: Registrant, browser: Browser, site: ClientSite, by_address: bool) -> None:
    key = PrivateKey.generate("ES256")
    keys = {"keys": [key.jwk]}
    source = {"jwks_uri": site.publish("/jwks", json.dumps(keys))} if by_address else {"jwks": keys}
    information = registrant.register(token_endpoint_auth_method="private_key_jwt", **source)
    assert "client_secret" not in information
    party = registrant.party(information, key)
    assert party.tokens(browser, registrant.server.create_user())["id_token"]


def test_jwks_and_jwks_uri_exclude_each_other(registrant: Registrant, site: ClientSite) -> None:
    jwks = {"keys": [PrivateKey.generate().jwk]}
    response = registrant.post(jwks=jwks, jwks_uri=site.publish("/jwks", json.dumps(jwks)))
    assert error_of(response) == "invalid_client_metadata"


def test_post_logout_redirect_uris(registrant: Registrant, browser: Browser) -> None:
    target = "http://127.0.0.1:9/logged-out"
    party = registrant.party(registrant.register(post_logout_redirect_uris=[target]))
    tokens = party.tokens(browser, registrant.server.create_user())
    shown = browser.open(party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=target))
    assert getattr(shown, "target", shown) == target


# Logos, policies and terms (§2; PROTOCOL 30)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (png(64, 64), "image/png"),
        (jpeg(), "image/jpeg"),
        (gif(), "image/gif"),
        (webp(), "image/webp"),
        (png(), "application/octet-stream"),
        (gif(), "image/png"),
    ],
)
def test_a_logo_is_fetched_once_and_served_from_here(
    registrant: Registrant, site: ClientSite, browser: Browser, image: bytes, said: str
) -> None:
    uri = site.publish("/logo", image, said)
    information = registrant.register(client_name="Meridian", logo_uri=uri)
    assert information["logo_uri"] == uri
    party, person = registrant.party(information), registrant.server.create_user()
    login = browser.page(party.authorization_request().url)
    source = logo_on(login.html)
    assert source.startswith("/client-logos/")
    assert 'alt="Logo of Meridian"' in login.html
    consent = browser.log_in(login, person)
    assert logo_on(consent.html) == source  # type: ignore[union-attr]
    assert site.asked == ["/logo"], "shown twice, fetched once"
    assert site.origin not in login.html
    shown = registrant.http.get(registrant.server.issuer + source)
    assert (shown.status_code, shown.content) == (200, image)
    assert shown.headers["Content-Type"] == recognize(image).media_type, "by its bytes, whatever the site said"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "immutable" in shown.headers["Cache-Control"]


def logo_on(html: str) -> str:
    """The address of the image on a page."""
    return html.partition('<img src="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "image/svg+xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (b"<!doctype html><title>x</title>", "text/html"),
        (b"GIF89a<script>alert(1)</script>", "text/html"),
        (png(20_000, 20_000), "image/png"),
        (png(padding=260 * 1024), "image/png"),
        (b"", "image/png"),
        (png()[:10], "image/png"),
    ],
)
def test_what_is_no_logo_is_done_without(
    registrant: Registrant, site: ClientSite, browser: Browser, body: bytes, said: str
) -> None:
    response = registrant.post(logo_uri=site.publish("/logo", body, said))
    assert response.status_code == 201, "no reason to refuse a client"
    assert "<img" not in browser.page(registrant.party(response.json()).authorization_request().url).html
    with registrant.server.administrator.provider() as provider:
        (event,) = provider.audit.tail(1, Event.CLIENT_REGISTERED, client_id=response.json()["client_id"])
    assert event.details["logo"]


def test_a_logo_follows_the_registration(registrant: Registrant, site: ClientSite, browser: Browser) -> None:
    uri = site.publish("/logo", png(8, 8), "image/png")
    information = registrant.register(logo_uri=uri)
    party = registrant.party(information)

    def shown() -> str:
        return logo_on(browser.page(party.authorization_request().url).html)

    first = shown()
    site.publish("/logo", png(9, 9), "image/png")
    success_of(registrant.manage(information, "PUT", **information))
    second = shown()
    assert first != second
    site.publish("/logo", b"", "image/png", status=503)
    success_of(registrant.manage(information, "PUT", **information))
    assert shown() == second, "the site being down takes no logo away"
    elsewhere = {**information, "logo_uri": site.origin + "/other"}
    success_of(registrant.manage(information, "PUT", **elsewhere))
    assert shown() == ""
    assert registrant.http.get(registrant.server.issuer + second).status_code == 404


@pytest.mark.parametrize("digest", ["x", "0" * 64, "..%2f..%2fetc%2fpasswd", "%00" * 64, "A" * 64])
def test_logos_that_there_are_not(registrant: Registrant, digest: str) -> None:
    assert registrant.http.get(f"{registrant.server.issuer}/client-logos/{digest}").status_code == 404


def test_policy_and_terms_are_shown_when_signing_in_and_consenting(registrant: Registrant, browser: Browser) -> None:
    links = {"policy_uri": "https://app.example/privacy", "tos_uri": "https://app.example/terms"}
    party = registrant.party(registrant.register(**links, **{"policy_uri#de": "https://app.example/datenschutz"}))
    login = browser.page(party.authorization_request().url)
    consent = browser.log_in(login, registrant.server.create_user())
    assert set(links.values()) <= set(login.links)
    assert set(links.values()) <= set(consent.links)  # type: ignore[union-attr]
    german = registrant.server.browser(headers={"Accept-Language": "de"})
    assert "https://app.example/datenschutz" in german.page(party.authorization_request().url).links


def test_the_home_page_is_linked_where_the_person_goes_no_further(registrant: Registrant, browser: Browser) -> None:
    home = "https://app.example/home"
    party = registrant.party(registrant.register(client_name="Meridian", client_uri=home))
    refused = browser.page(party.authorization_request(redirect_uri=HTTPS).url)
    assert refused.data_page == "error"
    assert home in refused.links
    tokens = party.tokens(browser, registrant.server.create_user())
    signed_out = browser.page(party.logout_url(id_token_hint=tokens["id_token"]))
    assert signed_out.data_page == "logged-out"
    assert home in signed_out.links


# What discovery announces can be registered (Discovery §3)

ANNOUNCED = {
    "token_endpoint_auth_signing_alg": "token_endpoint_auth_signing_alg_values_supported",
    "id_token_signed_response_alg": "id_token_signing_alg_values_supported",
    "id_token_encrypted_response_alg": "id_token_encryption_alg_values_supported",
    "userinfo_signed_response_alg": "userinfo_signing_alg_values_supported",
    "userinfo_encrypted_response_alg": "userinfo_encryption_alg_values_supported",
    "request_object_signing_alg": "request_object_signing_alg_values_supported",
    "request_object_encryption_alg": "request_object_encryption_alg_values_supported",
    "subject_type": "subject_types_supported",
}


@pytest.mark.parametrize("member", ANNOUNCED)
def test_every_value_that_is_announced_can_be_registered(registrant: Registrant, member: str) -> None:
    announced = registrant.party(registrant.register()).metadata[ANNOUNCED[member]]
    for value in announced:
        method = "client_secret_jwt" if value.startswith("HS") else "private_key_jwt"
        information = registrant.register(
            redirect_uris=[HTTPS],
            token_endpoint_auth_method=method,
            jwks={"keys": [PrivateKey.generate("RS256").jwk]},
            **{member: value},
        )
        assert information[member] == value
