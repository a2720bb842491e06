"""Faults that a provider may have, one at a time, and the check of `idp doctor --issuer` that has to notice each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from idp.cli.doctor.exchange import ORIGIN
from idp.cli.doctor.finding import PROBLEM, WARNING
from tests.helpers.fake_provider import CALLBACK, OAUTH, OPENID, FakeProvider, Question, Reply

Change = Callable[[FakeProvider], Any]
Fault = tuple[Change, str, str, str]


def without(*names: str) -> Change:
    return lambda p: [p.document.pop(name) for name in names]


def says(**members: Any) -> Change:
    return lambda p: p.document.update(members)


def key(number: int, **members: Any) -> Change:
    """Change members of one published key; None takes one away."""

    def change(p: FakeProvider) -> None:
        changed = {**p.jwks["keys"][number], **members}
        p.jwks["keys"][number] = {name: value for name, value in changed.items() if value is not None}

    return change


def header(path: str, name: str, value: Any) -> Change:
    return lambda p: p.header(path, name, value)


def status(path: str, number: int, method: str | None = None, **headers: str) -> Change:
    return lambda p: p.status(path, number, method, **headers)


def body(path: str, text: str | bytes, **headers: str) -> Change:
    def replace(question: Question, reply: Reply) -> None:
        reply.body = text if isinstance(text, bytes) else text.encode()
        reply.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

    return lambda p: p.spoil(path, replace)


def sends_back(**parameters: str | None) -> Change:
    """Change what the authorization response carries; None takes a parameter away."""

    def install(p: FakeProvider) -> None:
        def change(question: Question, reply: Reply) -> None:
            if reply.status == 303:
                usual = {"error": "login_required", "state": question.query["state"], "iss": p.issuer}
                fields = {name: value for name, value in {**usual, **parameters}.items() if value is not None}
                reply.headers["Location"] = f"{CALLBACK}?{urlencode(fields)}"

        p.spoil("/authorization", change)

    return install


def date(seconds: float) -> Change:
    def change(question: Question, reply: Reply) -> None:
        reply.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)

    return lambda p: p.spoil("*", change)


def cookie(value: str) -> Change:
    return header("/authorization", "Set-Cookie", [value])


def two(*changes: Change) -> Change:
    return lambda p: [change(p) for change in changes]


RSA_1024 = "wV3" + "A" * 168
HTML = "<!doctype html><title>Welcome</title>"

#: What is changed → the one check that notices, its level, and something of what it says.
FAULTS: dict[str, Fault] = {
    # discovery: the documents
    "a catch-all page": (body(OPENID, HTML, Content_Type="text/html"), "discovery.document", PROBLEM, "an HTML page"),
    "a list": (body(OPENID, "[]"), "discovery.document", PROBLEM, "no JSON object"),
    "latin-1": (body(OPENID, b'{"issuer": "\xe9"}'), "discovery.document", PROBLEM, "no JSON object in UTF-8"),
    "nested": (body(OPENID, "[" * 100_000), "discovery.document", PROBLEM, "no JSON object"),
    "huge": (body(OPENID, " " * 600_000), "discovery.document", PROBLEM, "larger than"),
    "no document": (status(OPENID, 404), "discovery.document", PROBLEM, "does the proxy pass"),
    "a moved document": (
        status(OPENID, 301, Location="https://elsewhere.example/"), "discovery.document", PROBLEM, "elsewhere.example",
    ),
    "a document in plain text": (
        header(OPENID, "Content-Type", "text/plain"), "discovery.document", WARNING, "'text/plain'",
    ),
    "another issuer": (says(issuer="https://other.example"), "discovery.issuer", PROBLEM, "'https://other.example'"),
    "a slash too many": (lambda p: says(issuer=p.issuer + "/")(p), "discovery.issuer", PROBLEM, "with the trail"),
    "capital letters": (lambda p: p.document.update(issuer=p.issuer.upper()), "discovery.issuer", PROBLEM, "mind"),
    "another scheme": (
        lambda p: says(issuer=p.issuer.replace("http:", "https:"))(p), "discovery.issuer", PROBLEM, "a proxy ends TLS",
    ),
    "no OAuth document": (status(OAUTH, 404), "discovery.oauth", WARNING, "RFC 8414 §3"),
    "another OAuth document": (
        lambda p: setattr(p, "oauth_document", {**p.document, "scopes_supported": ["x"]}),
        "discovery.oauth", WARNING, "scopes_supported",
    ),
    "a document for once": (header(OPENID, "Cache-Control", "no-store"), "discovery.caching", WARNING, "no-store"),
    "no word on caching": (header(OPENID, "Cache-Control", None), "discovery.caching", WARNING, "max-age"),
    "no CORS": (header(OPENID, "Access-Control-Allow-Origin", None), "discovery.cors", WARNING, "cannot read"),
    "well-known anything": (
        lambda p: p.spoil("/.well-known/idp-doctor-asks-for-what-is-not-there", lambda q, r: Reply(200, {})),
        "discovery.unknown", WARNING, "answer 404",
    ),
    "well-known crash": (
        status("/.well-known/idp-doctor-asks-for-what-is-not-there", 500), "discovery.unknown", PROBLEM, "500",
    ),
    # discovery: what the document says
    "a missing member": (without("subject_types_supported"), "discovery.members", PROBLEM, "subject_types_supported"),
    "a string for a list": (says(response_modes_supported="query"), "discovery.members", PROBLEM, "not a list"),
    "numbers in a list": (says(acr_values_supported=[1]), "discovery.members", PROBLEM, "something else"),
    "a string for a flag": (says(claims_parameter_supported="true"), "discovery.members", PROBLEM, "true or false"),
    "a number for a URL": (says(registration_endpoint=1), "discovery.members", PROBLEM, "not a string"),
    "null": (says(registration_endpoint=None), "discovery.empty", PROBLEM, "null: registration_endpoint"),
    "an empty list": (says(acr_values_supported=[]), "discovery.empty", WARNING, "acr_values_supported"),
    "a path for a URL": (says(registration_endpoint="/register"), "discovery.endpoints", PROBLEM, "not an absolute"),
    "plain HTTP": (says(registration_endpoint="http://id.example/r"), "discovery.endpoints", PROBLEM, "plain HTTP"),
    "a fragment": (says(registration_endpoint="https://id.example/#r"), "discovery.endpoints", PROBLEM, "fragment"),
    "no RS256": (says(id_token_signing_alg_values_supported=["ES256"]), "discovery.id-token-algs", WARNING, "RS256"),
    "alg none": (
        says(id_token_signing_alg_values_supported=["RS256", "none"]), "discovery.id-token-algs", WARNING, "unsigned",
    ),
    "no code": (says(response_types_supported=["id_token"]), "discovery.response-types", PROBLEM, "'code'"),
    "no code grant": (says(grant_types_supported=["implicit"]), "discovery.response-types", PROBLEM, "'authoriz"),
    "no PKCE": (without("code_challenge_methods_supported"), "discovery.pkce", WARNING, "S256"),
    "plain PKCE": (says(code_challenge_methods_supported=["S256", "plain"]), "discovery.pkce", WARNING, "plain"),
    "no openid": (says(scopes_supported=["email"]), "discovery.scopes", WARNING, "'openid'"),
    "an admin scope": (says(scopes_supported=["openid", "users:admin"]), "discovery.scopes", WARNING, "users:admin"),
    "an unknown method": (
        says(token_endpoint_auth_methods_supported=["client_secret_basic", "magic"]), "discovery.client-auth", WARNING,
        "magic",
    ),
    "signing somehow": (
        without("token_endpoint_auth_signing_alg_values_supported"), "discovery.client-auth", PROBLEM, "how",
    ),
    "signing with none": (
        says(token_endpoint_auth_signing_alg_values_supported=["none"]), "discovery.client-auth", PROBLEM, "'none'",
    ),
    "no iss": (
        two(without("authorization_response_iss_parameter_supported")), "discovery.iss", WARNING, "RFC 9207",
    ),
    "locales with an underscore": (says(ui_locales_supported=["en_US"]), "discovery.locales", WARNING, "'en_US'"),
    # keys
    "no keys": (lambda p: setattr(p, "jwks", {"keys": []}), "keys.document", PROBLEM, "holds no key"),
    "keys in a list": (lambda p: setattr(p, "jwks", [1]), "keys.document", PROBLEM, "list of 'keys'"),
    "keys that fail": (status("/jwks", 500), "keys.document", PROBLEM, "answers 500"),
    "keys that are none": (lambda p: p.jwks["keys"].append("key"), "keys.document", PROBLEM, "'kty'"),
    "keys in HTML": (header("/jwks", "Content-Type", "text/html"), "keys.document", WARNING, "'text/html'"),
    "a private key": (key(1, d="AQAB"), "keys.private", PROBLEM, "'second'"),
    "no kid": (key(1, kid=None), "keys.kid", PROBLEM, "without 'kid'"),
    "a kid twice": (key(1, kid="first"), "keys.kid", PROBLEM, "'first'"),
    "no use": (key(1, use=None), "keys.use", WARNING, "'second'"),
    "no alg": (key(1, alg=None), "keys.alg", WARNING, "'second'"),
    "a short key": (key(1, n=RSA_1024), "keys.strength", PROBLEM, "1024 bits"),
    "half a key": (key(1, n=None), "keys.strength", PROBLEM, "cannot be read"),
    "an uncovered algorithm": (key(2, crv="P-384"), "keys.coverage", PROBLEM, "'ES256'"),
    "one key": (
        two(lambda p: p.jwks.update(keys=p.jwks["keys"][:1]), says(id_token_signing_alg_values_supported=["RS256"])),
        "keys.rotation", WARNING, "one key alone",
    ),
    "keys that nobody keeps": (header("/jwks", "Cache-Control", "no-store"), "keys.caching", WARNING, "may not keep"),
    "keys without an age": (header("/jwks", "Cache-Control", "public"), "keys.caching", WARNING, "no max-age"),
    "keys for a year": (header("/jwks", "Cache-Control", "max-age=31536000"), "keys.caching", WARNING, "a day"),
    "keys for one origin": (
        header("/jwks", "Access-Control-Allow-Origin", "https://a.example"), "keys.cors", WARNING, "cannot read",
    ),
    # authorization
    "a page with 200": (status("/authorization", 200), "authorization.unknown-client", WARNING, "200"),
    "an error in JSON": (
        header("/authorization", "Content-Type", "application/json"), "authorization.unknown-client", WARNING, "HTML",
    ),
    "no framing rule": (
        header("/authorization", "Content-Security-Policy", "default-src 'none'"), "authorization.framing", WARNING,
        "frame-ancestors",
    ),
    "no referrer rule": (header("/authorization", "Referrer-Policy", None), "authorization.referrer", WARNING, "leak"),
    "sniffing": (header("/authorization", "X-Content-Type-Options", ""), "authorization.sniffing", WARNING, "scripts"),
    "a kept page": (header("/authorization", "Cache-Control", None), "authorization.caching", WARNING, "no-store"),
    # token
    "a GET for tokens": (status("/token", 200, "GET"), "token.get", WARNING, "405"),
    "a GET that crashes": (status("/token", 500, "GET"), "token.get", PROBLEM, "500"),
    "nonsense in HTML": (
        two(body("/token", HTML, Content_Type="text/html")), "token.nonsense", PROBLEM, "no JSON object",
    ),
    "an error of its own": (body("/token", '{"error": "E1234"}'), "token.nonsense", WARNING, "'E1234'"),
    "an error in plain text": (header("/token", "Content-Type", "text/plain"), "token.nonsense", WARNING, "text/plain"),
    "a kept answer": (header("/token", "Cache-Control", "private"), "token.caching", WARNING, "no-store"),
    "credentials of all": (
        two(
            header("/token", "Access-Control-Allow-Origin", ORIGIN),
            header("/token", "Access-Control-Allow-Credentials", "true"),
        ),
        "token.cors", PROBLEM, "credentials",
    ),
    "no preflight": (status("/token", 405, "OPTIONS"), "token.preflight", WARNING, "405"),
    # userinfo
    "anybody": (status("/userinfo", 200), "userinfo.anonymous", PROBLEM, "200"),
    "forbidden": (status("/userinfo", 403), "userinfo.bad-token", WARNING, "403"),
    "no challenge": (header("/userinfo", "WWW-Authenticate", None), "userinfo.anonymous", WARNING, "Bearer"),
    "a vague challenge": (header("/userinfo", "WWW-Authenticate", "Bearer"), "userinfo.bad-token", WARNING, "refresh"),
    "unreadable refusals": (header("/userinfo", "Access-Control-Allow-Origin", None), "userinfo.cors", WARNING, "401"),
    "no Authorization": (
        header("/userinfo", "Access-Control-Allow-Headers", "*"), "userinfo.preflight", WARNING, "Authorization",
    ),
    "no userinfo": (without("userinfo_endpoint"), "userinfo.endpoint", WARNING, "no userinfo_endpoint"),
    # the others
    "introspection for all": (status("/introspection", 200), "introspection.anonymous", PROBLEM, "whoever asks"),
    "introspection crashes": (status("/introspection", 500), "introspection.anonymous", PROBLEM, "500"),
    "introspection forbidden": (status("/introspection", 403), "introspection.anonymous", WARNING, "403"),
    "no revocation": (without("revocation_endpoint"), "revocation.unknown", WARNING, "no revocation_endpoint"),
    "revocation is lost": (status("/revocation", 404), "revocation.unknown", PROBLEM, "stays valid"),
    "revocation moved": (status("/revocation", 302), "revocation.unknown", PROBLEM, "redirects"),
    "no sign-out": (without("end_session_endpoint"), "sign-out.endpoint", WARNING, "no end_session_endpoint"),
    "sign-out to anywhere": (
        status("/end_session", 302, Location=f"{ORIGIN}/callback?x=1"), "sign-out.endpoint", PROBLEM,
        "open redirector",
    ),
    "sign-out crashes": (status("/end_session", 503), "sign-out.endpoint", PROBLEM, "503"),
    # a registered client
    "a lost state": (sends_back(state="x"), "sign-in.state", PROBLEM, "came back as 'x'"),
    "another error": (sends_back(error="server_error"), "sign-in.silent", PROBLEM, "'server_error'"),
    "a vague error": (sends_back(error="interaction_required"), "sign-in.silent", WARNING, "say login_required"),
    "a broken promise": (sends_back(iss=None), "sign-in.iss", PROBLEM, "promises"),
    "no iss at all": (
        two(sends_back(iss=None), without("authorization_response_iss_parameter_supported")),
        "sign-in.iss", WARNING, "has no iss",
    ),
    "no place for a secret": (
        says(token_endpoint_auth_methods_supported=["private_key_jwt"]), "sign-in.secret", PROBLEM, "no method takes",
    ),
    "a wrong iss": (sends_back(iss="https://other.example"), "sign-in.iss", PROBLEM, "'https://other.example'"),
    "a wrong secret": (body("/token", '{"error": "invalid_client"}'), "sign-in.secret", PROBLEM, "invalid_client"),
    # transport
    "a clock a bit off": (date(-20), "transport.clock", WARNING, "NTP"),
    "a clock far off": (date(3600), "transport.clock", PROBLEM, "NTP"),
    "no clock": (header("*", "Date", None), "transport.clock", WARNING, "no answer has a Date"),
    "a talkative server": (header("*", "Server", "nginx/1.18.0"), "transport.versions", WARNING, "nginx/1.18.0"),
    "powered by": (header("/jwks", "X-Powered-By", "Express"), "transport.versions", WARNING, "Express"),
    "a cookie for scripts": (cookie("sid=1; Path=/; SameSite=Lax"), "transport.cookies", WARNING, "not HttpOnly"),
    "a cookie for anywhere": (cookie("sid=1; Path=/; HttpOnly"), "transport.cookies", WARNING, "no SameSite"),
    "a cookie that is dropped": (
        cookie("sid=1; HttpOnly; SameSite=None"), "transport.cookies", PROBLEM, "browsers drop it",
    ),
}  # fmt: skip

#: The same over TLS, where more is asked for.
FAULTS_OVER_TLS: dict[str, Fault] = {
    "no HSTS": (header("*", "Strict-Transport-Security", None), "transport.hsts", WARNING, "missing"),
    "a short HSTS": (header("*", "Strict-Transport-Security", "max-age=60"), "transport.hsts", WARNING, "60 s"),
    "a cookie for plain HTTP": (
        cookie("sid=1; HttpOnly; SameSite=Lax"), "transport.cookies", PROBLEM, "not Secure",
    ),
    "a cookie with a false name": (
        cookie("__Host-sid=1; Secure; HttpOnly; SameSite=Lax; Domain=example.com"), "transport.cookies", PROBLEM,
        "because of its name",
    ),
}  # fmt: skip

#: check → the topics that a fault may also be noticed in. What one endpoint does wrong is not blamed on the others.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "authorization.unknown-client": ("sign-in",),
    # A form that is not refused in the words of the specification proves no secret either.
    "token.nonsense": ("sign-in",),
    "discovery.iss": ("sign-in",),
    "discovery.issuer": ("sign-in",),
    "discovery.id-token-algs": ("keys",),
    "sign-in.secret": ("token",),
    "sign-in.iss": ("discovery",),
}
