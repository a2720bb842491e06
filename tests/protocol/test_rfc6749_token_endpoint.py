"""RFC 6749 §2.3, §3.2, §5: how the token endpoint reads requests, authenticates clients, and refuses."""

import base64
from urllib.parse import quote

import httpx
import pytest

from tests.helpers.browser import http_client
from tests.helpers.relying_party import RelyingParty, basic
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, success_of

FORM = "application/x-www-form-urlencoded"
#: Everything that form encoding changes, and nothing that RFC 6749 Appendix A.2 forbids.
ODD_SECRET = "a+b%20c:d&e=f/g?h~i" * 2


@pytest.fixture
def service(server: Server) -> RelyingParty:
    """A client that can ask for tokens without a person."""
    return server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")


def send(
    party: RelyingParty,
    body: str | bytes,
    content_type: str | None = FORM,
    query: str = "",
    authorization: str | None = None,
    method: str = "POST",
) -> httpx.Response:
    """A token request, byte for byte; authenticated by Basic unless told otherwise."""
    headers = {"Authorization": authorization or basic(party.client_id, party.client_secret or "")}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return party.http.request(method, party.metadata["token_endpoint"] + query, content=body, headers=headers)


# The request


def test_a_well_formed_request_succeeds(service: RelyingParty) -> None:
    response = send(service, "grant_type=client_credentials")
    assert success_of(response)["token_type"] == "Bearer"
    assert response.headers["Pragma"] == "no-cache"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_taken(service: RelyingParty, method: str) -> None:
    response = send(service, "", query="?grant_type=client_credentials", method=method)
    assert error_of(response, 405) == "invalid_request"
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"grant_type": "client_credentials"}', "application/json"),
        ("grant_type=client_credentials", "text/plain"),
        ("grant_type=client_credentials", None),
        ('--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nclient_credentials\r\n--x--\r\n',
         "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_only_form_encoding_is_read(service: RelyingParty, body: str, content_type: str | None) -> None:
    assert error_of(send(service, body, content_type)) == "invalid_request"


def test_a_charset_does_no_harm(service: RelyingParty) -> None:
    success_of(send(service, "grant_type=client_credentials", FORM + "; charset=UTF-8"))


def test_parameters_in_the_query_are_ignored(service: RelyingParty) -> None:
    assert error_of(send(service, "", query="?grant_type=client_credentials")) == "invalid_request"
    narrowed = send(service, "grant_type=client_credentials", query="?scope=orders:write")
    assert success_of(narrowed)["scope"] == "orders:read"


def test_credentials_in_the_query_are_ignored(server: Server) -> None:
    party = server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], token_endpoint_auth_method="client_secret_post"
    )
    url = f"{party.metadata['token_endpoint']}?client_id={party.client_id}&client_secret={party.client_secret}"
    response = party.http.post(url, data={"grant_type": "client_credentials"})
    assert error_of(response, 401) == "invalid_client"


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "unknown"])
@pytest.mark.parametrize("values", [("same", "same"), ("", "other")])
def test_a_repeated_parameter_is_refused(service: RelyingParty, name: str, values: tuple[str, str]) -> None:
    body = "&".join(f"{name}={value}" for value in values)
    assert error_of(send(service, f"grant_type=client_credentials&{body}")) == "invalid_request"


def test_unknown_and_empty_parameters_are_ignored(service: RelyingParty) -> None:
    body = success_of(send(service, "grant_type=client_credentials&scope=&resource=&foo=bar&client_id="))
    assert body["scope"] == "orders:read"


@pytest.mark.parametrize("body", ["", "scope=orders:read", "grant_type=", b"\xff\xfe=\x00", "grant_type=%ff%fe", "&&&"])
def test_a_body_without_a_readable_grant_type(service: RelyingParty, body: str | bytes) -> None:
    assert error_of(send(service, body)) == "invalid_request"


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "Client_Credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "\x00",
        "x" * 999,
    ],
)
def test_an_unknown_grant_type(service: RelyingParty, grant_type: str) -> None:
    assert error_of(service.token({"grant_type": grant_type})) == "unsupported_grant_type"


@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
def test_a_grant_type_that_is_not_the_clients(service: RelyingParty, grant_type: str) -> None:
    response = service.token({"grant_type": grant_type, "code": "x", "refresh_token": "x"})
    assert error_of(response) == "unauthorized_client"


def test_a_body_that_is_too_large(service: RelyingParty) -> None:
    response = send(service, "grant_type=client_credentials&x=" + "x" * 40_000)
    assert error_of(response, 413) == "invalid_request"
    assert error_of(send(service, "grant_type=client_credentials" + "&x=1" * 200)) == "invalid_request"


# Client authentication


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", ["wrong", "", "é", "x" * 5000, "\x00"])
def test_a_wrong_secret(server: Server, method: str, secret: str) -> None:
    party = server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], token_endpoint_auth_method=method
    )
    party.client_secret = secret
    response = party.token({"grant_type": "client_credentials"})
    assert error_of(response, 401) == "invalid_client"
    if method == "client_secret_basic":
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("form_encoded", [True, False])
def test_basic_credentials_form_encoded_and_raw(server: Server, form_encoded: bool) -> None:
    with server.administrator.provider() as provider:
        client, secret = provider.clients.create(
            {"grant_types": ["client_credentials"], "scope": "orders:read"}, secret=ODD_SECRET
        )
    assert secret is not None
    party = RelyingParty(server.issuer, client.client_id, secret)
    pair = f"{quote(client.client_id, safe='')}:{quote(secret, safe='') if form_encoded else secret}"
    authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    success_of(send(party, "grant_type=client_credentials", authorization=authorization))


@pytest.mark.parametrize("separator", ["Basic  ", "basic ", "BASIC "])
def test_the_scheme_has_no_case(service: RelyingParty, separator: str) -> None:
    credentials = basic(service.client_id, service.client_secret or "").removeprefix("Basic ")
    success_of(send(service, "grant_type=client_credentials", authorization=separator + credentials))


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ====",
        "Basic not-base64!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\x80").decode(),
        "Basic " + base64.b64encode(b"nobody:secret").decode(),
        "Basic " + base64.b64encode(b"%00%ff:%zz").decode(),
        "Basic " + "A" * 6000,
        "Bearer abc",
        "Digest username=x",
        "Negotiate",
    ],
)
def test_malformed_credentials_are_refused_politely(service: RelyingParty, authorization: str) -> None:
    response = send(service, "grant_type=client_credentials", authorization=authorization)
    assert error_of(response, 401) == "invalid_client"


def test_no_credentials_at_all(service: RelyingParty) -> None:
    assert error_of(service.token({"grant_type": "client_credentials"}, authenticate=False), 401) == "invalid_client"


def test_credentials_before_the_grant_is_looked_at(service: RelyingParty) -> None:
    service.client_secret = "wrong"
    assert error_of(service.token({"grant_type": "authorization_code"}), 401) == "invalid_client"


def test_two_methods_in_one_request(service: RelyingParty) -> None:
    both = {"client_id": service.client_id, "client_secret": service.client_secret}
    assert error_of(service.token({"grant_type": "client_credentials", **both})) == "invalid_request"


def test_the_client_id_in_the_body_may_repeat_the_credentials_and_not_contradict_them(
    server: Server, service: RelyingParty
) -> None:
    success_of(service.token({"grant_type": "client_credentials", "client_id": service.client_id}))
    other = server.create_client()
    response = service.token({"grant_type": "client_credentials", "client_id": other.client_id})
    assert error_of(response, 401) == "invalid_client"


@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
@pytest.mark.parametrize("used", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_only_the_registered_method_works(server: Server, registered: str, used: str) -> None:
    party = server.create_client(
        grant_types=["client_credentials"],
        redirect_uris=[],
        scope="orders:read",
        token_endpoint_auth_method=registered,
    )
    party.auth_method = used
    response = party.token({"grant_type": "client_credentials"})
    if used == registered:
        success_of(response)
    else:
        assert error_of(response, 401) == "invalid_client"


def test_a_public_client_cannot_present_a_secret(server: Server) -> None:
    party = server.create_client(token_endpoint_auth_method="none")
    for secret in ("", "anything"):
        response = party.token({"grant_type": "refresh_token", "refresh_token": "x", "client_secret": secret})
        assert error_of(response, 401) == "invalid_client"


def test_both_secrets_work_while_one_replaces_the_other(server: Server, service: RelyingParty) -> None:
    old = service.client_secret
    with server.administrator.provider() as provider:
        service.client_secret = provider.clients.rotate_secret(service.client_id, keep_old_for=60)
    assert service.client_secret != old
    success_of(service.client_credentials())
    service.client_secret = old
    success_of(service.client_credentials())


# Browsers' applications


def test_cross_origin_requests_are_answered_without_cookies(service: RelyingParty) -> None:
    endpoint = service.metadata["token_endpoint"]
    headers = {"Origin": "https://spa.example", "Access-Control-Request-Method": "POST"}
    preflight = service.http.request("OPTIONS", endpoint, headers=headers)
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for response in (preflight, service.client_credentials(), service.client_credentials("nonsense")):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers


# Beside the endpoints


@pytest.mark.parametrize("path", ["/oauth2/token/", "/oauth2/nope", "/oauth2/revoke/x"])
def test_a_mistyped_endpoint_answers_programs_in_their_language(server: Server, path: str) -> None:
    with http_client() as http:
        assert error_of(http.post(server.issuer + path, data={"grant_type": "x"}), 404) == "not_found"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_so_do_the_probes(server: Server, path: str) -> None:
    with http_client() as http:
        assert error_of(http.post(server.issuer + path), 405) == "invalid_request"


def test_a_preflight_has_no_body_and_no_type(relying_party: RelyingParty) -> None:
    answer = relying_party.http.options(relying_party.metadata["token_endpoint"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert "POST" in answer.headers["Allow"]
