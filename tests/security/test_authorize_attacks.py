"""AZ1–AZ9: attacks on the authorization endpoint."""

import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from idp.core.errors import Invalid
from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import CALLBACK, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, error_page_of, on_each_backend, success_of
from tests.security.attacks import FORM, in_parallel, is_signed_in, must_be_page, on_the_wire, raw_request, status_of

TRICKS = [
    "https://evil.example/callback",
    "http://127.0.0.1:9@evil.example/callback",
    "http://127.0.0.1:80@evil.example/callback",
    "http://evil.example@127.0.0.1:9/callback",
    "http://127.0.0.1:9\\@evil.example/callback",
    "http://evil.example\\@127.0.0.1:9/callback",
    "http://127.0.0.1:9.evil.example/callback",
    "http://127.0.0.1.evil.example:9/callback",
    "http://127.0.0.1:9/callback/..;/x",
    "http://127.0.0.1:9/callback/../callback",
    "http://127.0.0.1:9/./callback",
    "http://127.0.0.1:9/callback%2f..%2fx",
    "http://127.0.0.1:9/%63allback",
    "http://127.0.0.1:9/callback/",
    "http://127.0.0.1:9//callback",
    "http://127.0.0.1:9/CALLBACK",
    "http://127.0.0.1:9/callback?next=https://evil.example",
    "http://127.0.0.1:9/callback#@evil.example",
    "http://127.0.0.1:9/callback%00",
    "http://127.0.0.1:9/callback\x00",
    "http://127.0.0.1:9/callback\r\nLocation: https://evil.example",
    " http://127.0.0.1:9/callback",
    "http://127.0.0.1:9/callback ",
    "HTTP://127.0.0.1:9/callback",
    "http:/\\127.0.0.1:9/callback",
    "//127.0.0.1:9/callback",
    "/callback",
    "http://2130706433:9/callback",
    "http://127.1:9/callback",
    "http://[::ffff:127.0.0.1]:9/callback",
    "http://①②⑦.0.0.1:9/callback",
    "https://127.0.0.1:9/callback",
    "http://127.0.0.1:99999/callback",
    "http://127.0.0.1:009/callback",
    "http://127.0.0.1:/callback",
    "*",
    "http://127.0.0.1:9/*",
]
SCRIPTS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "\x01javascript:alert(1)",
    "java\nscript:alert(1)",
    "javascript://127.0.0.1:9/callback%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "blob:http://127.0.0.1:9/x",
    "file:///etc/passwd",
    "view-source:http://127.0.0.1:9/callback",
]
MARKUP = "\"'><img src=x onerror=alert(1)></title></textarea><script>alert(1)</script>{{7*7}}"


@pytest.fixture(scope="module")
def _parties() -> dict[str, RelyingParty]:
    return {}


@pytest.fixture(params=["confidential", "public"])
def party(request: pytest.FixtureRequest, server: Server, _parties: dict[str, RelyingParty]) -> RelyingParty:
    """A client with one redirect URI; the public one may vary its port (RFC 8252 §7.3)."""
    if request.param not in _parties:
        options = {} if request.param == "confidential" else {"token_endpoint_auth_method": "none"}
        _parties[request.param] = server.create_client(**options)
    return _parties[request.param]


# AZ1, AZ2


@pytest.mark.parametrize("uri", TRICKS)
def test_az1_a_redirect_uri_that_only_looks_registered(party: RelyingParty, browser: Browser, uri: str) -> None:
    shown = error_page_of(browser.open(party.authorization_request(redirect_uri=uri).url))
    assert not [hop for hop in browser.history if "Location" in hop.headers]
    assert not [link for link in shown.links if "evil" in link or link == uri]


def test_az1_a_public_client_may_vary_its_port_and_nothing_else(server: Server, browser: Browser) -> None:
    party = server.create_client(token_endpoint_auth_method="none")
    for port in ("", ":1", ":52123"):
        uri = f"http://127.0.0.1{port}/callback"
        must_be_page(browser.open(party.authorization_request(redirect_uri=uri).url), "login")
    for uri in ("http://localhost:9/callback", "http://[::1]:9/callback", "http://127.0.0.1:9/other"):
        error_page_of(browser.open(party.authorization_request(redirect_uri=uri).url))


@pytest.mark.parametrize(
    "uri",
    [
        *SCRIPTS,
        "https://*.example.com/callback",
        "https://app.example.com/*",
        "https://app.example.com/callback#fragment",
        "https://user@app.example.com/callback",
        "https://app.example.com/a/../callback",
        "https://app.example.com/a/..;/callback",
        "https://app.example.com\\@evil.example/callback",
        "http://app.example.com/callback",
        "https://app.example.com/callback?code=1",
        "https://app.example.com/callback?state=1",
        "https://app.example.com/callback?x=%0d%0aLocation:%20https://evil.example",
    ],
)
@pytest.mark.parametrize("kind", ["web", "native"])
def test_az1_az3_az4_what_could_be_abused_is_never_registered(server: Server, uri: str, kind: str) -> None:
    with pytest.raises(Invalid):
        server.create_client(redirect_uris=[uri], application_type=kind)
    with pytest.raises(Invalid):
        server.create_client(post_logout_redirect_uris=[uri], application_type=kind)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "mistake",
    [
        {},
        {"response_type": "bogus"},
        {"response_type": None},
        {"response_mode": "fragment"},
        {"response_mode": "form_post"},
        {"scope": "nonsense"},
        {"prompt": "none"},
        {"prompt": "none login"},
        {"request": "x.y.z"},
        {"client_id": "nobody"},
        {"client_id": None},
        {"code_challenge_method": "plain"},
    ],
)
def test_az2_no_error_travels_to_an_unproven_uri(
    relying_party: RelyingParty, browser: Browser, mistake: dict[str, str | None], method: str
) -> None:
    request = relying_party.authorization_request(**{"redirect_uri": "https://evil.example/cb", **mistake})
    if method == "POST":
        shown = browser.post(request.url.partition("?")[0], request.params)
    else:
        shown = browser.open(request.url)
    page = error_page_of(shown)
    assert not any("evil.example" in hop.headers.get("Location", "") for hop in browser.history)
    assert not [link for link in page.links if "evil.example" in link]
    assert not page.forms


# AZ3


@pytest.mark.parametrize("uri", SCRIPTS)
def test_az3_script_as_a_redirect_uri(party: RelyingParty, browser: Browser, uri: str) -> None:
    for params in ({}, {"response_mode": "form_post"}, {"response_type": "bogus"}):
        page = error_page_of(browser.open(party.authorization_request(redirect_uri=uri, **params).url))
        assert not [link for link in page.links if not link.startswith(("/", "http"))]
        assert not [form.action for form in page.forms]
        assert "<script>alert" not in page.html


@pytest.mark.parametrize("ends_well", [True, False])
def test_az3_form_post_escapes_what_it_carries(
    relying_party: RelyingParty, browser: Browser, person: Person, ends_well: bool
) -> None:
    wish = {} if ends_well else {"prompt": "none", "max_age": "0"}
    request = relying_party.authorization_request("openid", response_mode="form_post", state=MARKUP, **wish)
    shown = browser.authorize(request.url, person)
    assert isinstance(shown, Callback)
    assert (shown.mode, shown.url, shown["state"]) == ("form_post", CALLBACK, MARKUP)
    response = browser.history[-1]
    assert MARKUP not in response.text
    assert "<img" not in response.text
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) >= 22
    assert response.text.count("<script") == response.text.count(f'<script nonce="{nonce}"')
    if not ends_well:
        browser.authorize(request.url, person)
        assert nonce not in browser.history[-1].headers["Content-Security-Policy"], "a nonce is for one response"


# AZ4


@pytest.mark.parametrize(
    "name", ["response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode"]
)
def test_az4_a_parameter_that_comes_twice(relying_party: RelyingParty, browser: Browser, name: str) -> None:
    request = relying_party.authorization_request("openid", response_mode="query")
    for other in (request.params[name], "something-else"):
        for url in (
            f"{request.url}&{urlencode({name: other})}",
            request.url.replace("?", f"?{urlencode({name: other})}&"),
        ):
            callback = browser.callback(url)
            assert callback["error"] == "invalid_request", url
            assert "code" not in callback.params


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_az4_twice_what_decides_where_the_answer_goes(relying_party: RelyingParty, browser: Browser, name: str) -> None:
    request = relying_party.authorization_request()
    for value in ("https://evil.example/callback", request.params[name]):
        error_page_of(browser.open(f"{request.url}&{urlencode({name: value})}"))
        error_page_of(browser.open(request.url.replace("?", f"?{urlencode({name: value})}&")))


@pytest.mark.parametrize("smuggled", ["code=attackers", "state=attackers", "error=x", "iss=https://evil.example"])
def test_az4_a_redirect_uri_that_brings_its_own_answer(
    relying_party: RelyingParty, browser: Browser, smuggled: str
) -> None:
    error_page_of(browser.open(relying_party.authorization_request(redirect_uri=f"{CALLBACK}?{smuggled}").url))


# AZ5


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "id_token token", "code token", "code id_token", "none", "code code", "Code"]
)
def test_az5_a_response_type_that_nobody_registered(
    relying_party: RelyingParty, browser: Browser, person: Person, response_type: str
) -> None:
    browser.callback(relying_party.authorization_request("openid").url, person)
    callback = browser.callback(relying_party.authorization_request("openid", response_type=response_type).url, person)
    # Those of the hybrid and implicit flows exist; this client is not registered for them.
    exists = "id_token" in response_type or response_type == "code token"
    assert callback["error"] == ("unauthorized_client" if exists else "unsupported_response_type")
    assert callback.params.keys() <= {"error", "error_description", "state", "iss"}


@pytest.mark.parametrize("mode", ["fragment", "web_message", "jwt", "query.jwt", "form_post.jwt", "QUERY", "cookie"])
def test_az5_a_response_mode_that_would_leak(
    relying_party: RelyingParty, browser: Browser, person: Person, mode: str
) -> None:
    callback = browser.callback(relying_party.authorization_request("openid", response_mode=mode).url, person)
    assert (callback.mode, callback["error"]) == ("query", "invalid_request")
    assert "code" not in callback.params


# AZ6


@pytest.mark.parametrize("wish", [{"prompt": "none"}, {"prompt": "none", "max_age": "100000"}])
def test_az6_silence_without_a_session(relying_party: RelyingParty, browser: Browser, wish: dict[str, str]) -> None:
    request = relying_party.authorization_request("openid", **wish)
    assert error_at_callback(relying_party, request, browser.callback(request.url)) == "login_required"


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}, {"prompt": "login consent"}])
def test_az6_no_way_round_a_demanded_sign_in(
    relying_party: RelyingParty, browser: Browser, person: Person, wish: dict[str, str]
) -> None:
    relying_party.tokens(browser, person)
    request = relying_party.authorization_request("openid", **wish)
    page = must_be_page(browser.open(request.url), "login")
    hub = page.url.rpartition("/")[0]
    interaction = hub.rpartition("/")[2]
    detours = [
        hub,
        f"{hub}/restart",
        f"{hub}/consent",
        f"{hub}/totp",
        f"{hub}/select-account",
        f"{hub}/another-account",
        f"/oauth2/authorize/resume?interaction={interaction}",
    ]
    for detour in (*detours, *detours):
        must_be_page(browser.open(detour), "login")
    fields = dict(page.form_with(field="password").fields)
    for step in ("consent", "select-account", "totp"):
        shown = browser.post(f"{hub}/{step}", {**fields, "decision": "allow", "account": person.id, "code": "000000"})
        must_be_page(shown, "login")
    callback = browser.callback(request.url, person)
    success_of(relying_party.exchange(request, callback))


def test_az6_another_person_gets_another_session(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    first = relying_party.tokens(browser, person)
    again = relying_party.tokens(browser, person, prompt="login")
    assert again["claims"]["sid"] == first["claims"]["sid"]
    other = server.create_user()
    page = must_be_page(browser.open(relying_party.authorization_request(prompt="login").url), "login")
    must_be_page(browser.log_in(page, other), "consent")
    second = relying_party.tokens(browser, other)
    assert second["claims"]["sub"] == other.id
    assert second["claims"]["sid"] != first["claims"]["sid"]
    assert not relying_party.is_active(first["access_token"]), "the session that was there has ended"


# AZ7


def test_az7_consent_is_never_given_by_another_site(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request = relying_party.authorization_request("openid email")
    page = must_be_page(browser.log_in(browser.page(request.url), person), "consent")
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 43}):
        shown = must_be_page(browser.post(page.url, {"decision": "allow", **token}), "error")
        assert shown.status == 400
    cross_site = {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({**dict(page.form_with(button="consent-allow").fields), "decision": "allow"}).encode()
    shown = must_be_page(browser.open(page.url, method="POST", data=body, headers=cross_site), "error")
    assert shown.status == 400
    browser.open(page.url + "?decision=allow")
    must_be_page(browser.open(request.url), "consent")
    silent = relying_party.authorization_request("openid email", prompt="none")
    assert browser.callback(silent.url)["error"] == "consent_required"


def test_az7_no_page_can_be_framed(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    login = browser.page(relying_party.authorization_request("openid email").url)
    consent = must_be_page(browser.log_in(login, person), "consent")
    for page in (login, consent, browser.page("/"), browser.page("/oauth2/logout"), browser.page("/nothing")):
        assert page.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_az7_nobody_skips_consent_whose_name_anybody_can_take(server: Server, browser: Browser, person: Person) -> None:
    ours = server.create_client(skip_consent=True)
    ours.tokens(browser, person)
    # On loopback anybody's program may listen, and a public client has no secret to prove itself with.
    impersonated = server.create_client(skip_consent=True, token_endpoint_auth_method="none")
    must_be_page(browser.open(impersonated.authorization_request().url), "consent")
    silent = impersonated.authorization_request(prompt="none")
    assert browser.callback(silent.url)["error"] == "consent_required"


def test_az7_what_one_person_is_asked_another_does_not_answer(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    """Two tabs: the consent page shows one account, and meanwhile another signs in."""
    server.create_client(skip_consent=True).tokens(browser, person)
    page = must_be_page(browser.open(relying_party.authorization_request("openid email").url), "consent")
    assert person.email in page.text
    other = server.create_user()
    tab = browser.page(server.create_client().authorization_request(prompt="login").url)
    browser.log_in(tab, other)
    assert is_signed_in(browser, other)
    form = page.form_with(button="consent-allow")
    shown = browser.submit(page, form, form.button(id="consent-allow"))
    must_be_page(shown)
    with server.administrator.provider() as provider:
        assert provider.consents.get(other.id, relying_party.client_id) is None


# AZ8


@pytest.mark.parametrize("name", [MARKUP[:200], "%(name)s %s {0}", "<b>Bank</b>", "javascript:alert(1)"])
def test_az8_a_client_name_is_text(server: Server, browser: Browser, person: Person, name: str) -> None:
    party = server.create_client(
        client_name=name,
        client_uri="https://app.example.com/?a=%22%3E%3Cscript%3E",
        logo_uri="https://evil.example/logo.svg",
        policy_uri="https://app.example.com/'onclick='alert(1)",
        tos_uri="https://app.example.com/tos",
        post_logout_redirect_uris=[CALLBACK],
    )
    request = party.authorization_request("openid email")
    login = browser.page(request.url)
    consent = must_be_page(browser.log_in(login, person), "consent")
    refused = error_page_of(browser.open(party.authorization_request(redirect_uri="https://evil.example").url))
    logout = must_be_page(browser.open(party.logout_url(client_id=party.client_id)), "logout")
    for page in (login, consent, refused, logout):
        assert name in page.text, page
        assert "<img" not in page.html
        assert "<b>Bank" not in page.html
        assert "<script>" not in page.html
        assert "onclick='" not in page.html
        assert "evil.example/logo" not in page.html, "a logo from the client's host would tell it who signs in"


@pytest.mark.parametrize(
    "params",
    [
        {"scope": MARKUP},
        {"max_age": MARKUP},
        {"prompt": MARKUP + " none"},
        {"claims": MARKUP},
        {"response_type": MARKUP},
        {"response_mode": MARKUP},
        {"code_challenge": MARKUP},
        {"resource": MARKUP},
        {"id_token_hint": MARKUP},
        {"request": MARKUP},
    ],
)
def test_az8_an_error_description_repeats_nothing(
    relying_party: RelyingParty, browser: Browser, params: dict[str, str]
) -> None:
    callback = browser.callback(relying_party.authorization_request(**{"scope": "openid", **params}).url)
    assert not set("<>\"'{}") & set(callback.params.get("error_description", ""))
    assert callback["error"]


@pytest.mark.parametrize("name", ["login_hint", "ui_locales", "display", "acr_values", "claims_locales", "nonce"])
def test_az8_hints_are_shown_as_text(relying_party: RelyingParty, browser: Browser, name: str) -> None:
    page = must_be_page(browser.open(relying_party.authorization_request(**{"scope": "openid", name: MARKUP}).url))
    assert "<img" not in page.html
    assert "<script>" not in page.html


# AZ9


@pytest.mark.parametrize("size", [64 * 1024, 20_000])
def test_az9_a_huge_state(server: Server, relying_party: RelyingParty, browser: Browser, size: int) -> None:
    request = relying_party.authorization_request("openid")
    query = urlencode({**request.params, "state": "s" * size}).encode()
    answer = on_the_wire(server, raw_request(server, b"GET /oauth2/authorize?" + query))
    assert status_of(answer) in (413, 414, 431)
    posted = browser.post(request.url.partition("?")[0], {**request.params, "state": "s" * size})
    assert must_be_page(posted).status == 413


def test_az9_what_fits_the_request_may_still_be_too_long_to_carry(
    relying_party: RelyingParty, browser: Browser
) -> None:
    request = relying_party.authorization_request("openid", state="s" * 5000)
    callback = browser.callback(request.url)
    assert callback["error"] == "invalid_request"
    assert "state" not in callback.params


def test_az9_thousands_of_scopes(relying_party: RelyingParty, browser: Browser) -> None:
    many = " ".join(f"s{number}" for number in range(5000))
    assert browser.http.get(relying_party.authorization_request(many).url).status_code in (400, 413, 414, 431)
    fewer = " ".join(f"s{number}" for number in range(300))
    assert browser.callback(relying_party.authorization_request(fewer).url)["error"] in (
        "invalid_scope",
        "invalid_request",
    )


@pytest.mark.parametrize("depth", [100, 300, 1000, 3000])
def test_az9_claims_nested_deeply(relying_party: RelyingParty, browser: Browser, person: Person, depth: int) -> None:
    claims = '{"userinfo":{"email":{"value":' + "[" * depth + "]" * depth + "}}}"
    shown = browser.authorize(relying_party.authorization_request("openid", claims=claims).url, person)
    status = 200 if isinstance(shown, Callback) else shown.status
    assert status in (200, 413), "nothing that a client sends is an internal error"


def test_az9_no_redirect_repeats_a_posted_password(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request = relying_party.authorization_request("openid")
    page = browser.page(request.url)
    browser.log_in(page, person)
    hops = browser.history
    assert hops[0].request.method == "POST"
    assert {hop.status_code for hop in hops if hop.is_redirect} == {303}
    assert [hop.request.method for hop in hops[1:]] == ["GET"] * (len(hops) - 1)
    assert not [hop for hop in hops if person.password in str(hop.url)]


def test_az6_an_answer_is_given_once(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    """The last step of a sign-in, asked for again, issues no second code."""
    request = relying_party.authorization_request("openid")
    page = browser.page(request.url)
    interaction = urlsplit(page.url).path.split("/")[2]
    assert "code" in browser.callback(page.url, person).params
    for url in (f"/signin/{interaction}", f"/oauth2/authorize/resume?interaction={interaction}"):
        assert must_be_page(browser.open(url), "error").status == 400


@on_each_backend
def test_az6_an_answer_is_given_once_also_at_the_same_moment(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    relying_party.tokens(browser, person)
    page = browser.page(relying_party.authorization_request("openid email").url)
    form = page.form_with(button="consent-allow")
    fields = urlencode([*form.fields, ("decision", "allow")])
    answer = browser.http.post(page.url, content=fields, headers=FORM)
    hub = browser.http.get(server.issuer + answer.headers["Location"])
    resume = server.issuer + hub.headers["Location"]
    cookies = dict(browser.cookies)

    def ask(_: int) -> str:
        other = server.browser()
        other.cookies.update(cookies)
        return str(other.http.get(resume).headers.get("Location", ""))

    assert len([location for location in in_parallel(8, ask) if "code=" in location]) == 1


def test_az4_a_posted_request_is_no_better_than_a_link(relying_party: RelyingParty, browser: Browser) -> None:
    request = relying_party.authorization_request("openid")
    browser.post(request.url.partition("?")[0], request.params)
    posted = dict(parse_qsl(urlsplit(str(browser.history[1].url)).query))["posted"]
    assert len(posted) >= 22
    for other in (secrets.token_urlsafe(20), posted[:-1], "", "../" + posted):
        assert must_be_page(browser.open(f"/oauth2/authorize?posted={other}"), "error").status == 400
