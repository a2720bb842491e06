"""The scenarios: what one unit of work is, which limit it is held against, and how it is prepared.

`prepare(subject)` makes clients, tokens and browsers once; what it returns measures for some seconds, as often as it
is called.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from bench import limits
from bench.http import Answer, Connection, UnexpectedAnswer, path_of
from bench.load import CONNECTIONS, NothingLeft, Sample, Visit, repeat, summary, visit
from bench.subjects import (
    ORDERS_API,
    ORDERS_SCOPE,
    STOCK_API,
    STOCK_SCOPE,
    Subject,
    seconds_to_first_answer,
)
from idp.engine.tokens import Authorization
from idp.storage.db import transaction
from tests.helpers.relying_party import RelyingParty

CODES_A_SECOND = 1500
SIGN_INS_AT_ONCE = 8
_CSRF = re.compile(rb'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Reading:
    """What one measurement saw. `notes` are further numbers, by name."""

    sample: Sample
    notes: dict[str, float] = field(default_factory=dict)


Measure = Callable[[float], Reading]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. Its limit is `operations` times the operation called `limit`."""

    name: str
    unit: str
    prepare: Callable[[Subject], Measure]
    limit: str | None = None
    operations: int = 1
    cores: int = limits.CORES
    meters_server: bool = True
    """False where the work is done elsewhere, or by other requests too."""
    peer: str | None = None
    """The adapter with which the peer does the same, if it can."""


# Requests that can be repeated


def _repeated(
    endpoint: str, build: Callable[[Subject], tuple[dict[str, str] | None, dict[str, str]]]
) -> Callable[[Subject], Measure]:
    def prepare(subject: Subject) -> Measure:
        fields, headers = build(subject)
        metadata = subject.machine.metadata
        path = path_of(metadata[endpoint]) if endpoint in metadata else endpoint
        return lambda seconds: Reading(repeat(subject.port, path, seconds=seconds, fields=fields, headers=headers))

    return prepare


def _client_credentials(scope: str, resource: str) -> Callable[[Subject], tuple[dict[str, str], dict[str, str]]]:
    def build(subject: Subject) -> tuple[dict[str, str], dict[str, str]]:
        headers, _ = subject.machine.authentication()
        return {"grant_type": "client_credentials", "scope": scope, "resource": resource}, headers

    return build


def _introspection(subject: Subject) -> tuple[dict[str, str], dict[str, str]]:
    headers, _ = subject.web.authentication()
    return {"token": _tokens(subject, "openid profile email")["access_token"]}, headers


def _userinfo(subject: Subject) -> tuple[None, dict[str, str]]:
    token = _tokens(subject, "openid profile email")["access_token"]
    return None, {"Authorization": f"Bearer {token}"}


def _plain(_subject: Subject) -> tuple[None, dict[str, str]]:
    return None, {}


def _tokens(subject: Subject, scope: str, **params: str) -> dict[str, Any]:
    """The token response of a fresh sign-in."""
    _, callback, request = subject.sign_in(scope, params)
    response = subject.web.exchange(request, callback)
    if not response.is_success:
        raise UnexpectedAnswer(f"{response.status_code} {response.text}")
    tokens: dict[str, Any] = response.json()
    return tokens


# The code flow


def _flow_of(subject: Subject) -> tuple[str, dict[str, str]]:
    """Scope and parameters that have both providers sign an ID token and a JWT access token."""
    return f"openid {ORDERS_SCOPE}", {"resource": ORDERS_API} if subject.is_peer else {}


def _code_flow(subject: Subject) -> Measure:
    scope, params = _flow_of(subject)

    def visitor() -> Visit:
        browser, _, _ = subject.sign_in(scope, params)
        # Only what belongs to every path: the peer also leaves cookies for the pages of the sign-in.
        kept = [cookie for cookie in browser.cookies.jar if cookie.path == "/"]
        cookie = {"Cookie": "; ".join(f"{one.name}={one.value}" for one in kept)}

        def visit_once(connection: Connection) -> None:
            request = subject.web.authorization_request(scope, **params)
            answer = connection.get(path_of(request.url), cookie)
            location = _follow(connection, answer, cookie)
            _redeem(connection, subject.web, location, str(request.code_verifier))

        return visit_once

    visits = [visitor() for _ in range(CONNECTIONS)]
    return lambda seconds: Reading(visit(subject.port, visits, seconds=seconds))


def _follow(connection: Connection, answer: Answer, headers: dict[str, str], jar: dict[str, str] | None = None) -> str:
    """Follow redirects for as long as they stay with the provider; where they leave it."""
    for _ in range(8):
        location = answer.location
        if not location.startswith("/") and urlsplit(location).netloc != connection.host:
            return location
        answer = connection.get(path_of(location), headers if jar is None else _cookies(jar, answer))
        if jar is not None:
            jar.update(answer.cookies)
        if answer.status == 200:
            raise UnexpectedAnswer(f"a page where the browser is signed in: {location}")
    raise UnexpectedAnswer("too many redirects")


def _cookies(jar: dict[str, str], answer: Answer) -> dict[str, str]:
    jar.update(answer.cookies)
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}


def _redeem(connection: Connection, party: RelyingParty, callback: str, verifier: str) -> None:
    params = parse_qs(urlsplit(callback).query)
    if "code" not in params:
        raise UnexpectedAnswer(f"no code: {callback}")
    _exchange_code(connection, party, params["code"][0], verifier)


def _exchange_code(connection: Connection, party: RelyingParty, code: str, verifier: str) -> None:
    headers, _ = party.authentication()
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": party.redirect_uri,
        "code_verifier": verifier,
    }
    answer = connection.post(path_of(party.metadata["token_endpoint"]), fields, headers).expect(200)
    if b'"id_token"' not in answer.body:
        raise UnexpectedAnswer(f"no ID token: {answer.body!r}")


def _code_exchange(subject: Subject) -> Measure:
    """Only the token request: the codes are made before the clock starts, straight in the store."""
    scope, params = _flow_of(subject)
    sessions = [_session_of(subject, scope, params) for _ in range(CONNECTIONS)]

    def measure(seconds: float) -> Reading:
        codes = _issue_codes(subject, scope, sessions, round(seconds * CODES_A_SECOND))

        def visit_once(connection: Connection) -> None:
            try:
                code, verifier = codes.pop()
            except IndexError:
                raise NothingLeft from None
            _exchange_code(connection, subject.web, code, verifier)

        return Reading(visit(subject.port, [visit_once] * CONNECTIONS, seconds=seconds))

    return measure


def _session_of(subject: Subject, scope: str, params: dict[str, str]) -> str:
    """The id of a new browser session."""
    _, callback, request = subject.sign_in(scope, params)
    response = subject.web.exchange(request, callback)
    claims = jwt.decode(response.json()["id_token"], options={"verify_signature": False})
    return str(claims["sid"])


def _issue_codes(subject: Subject, scope: str, sessions: Sequence[str], count: int) -> list[tuple[str, str]]:
    if subject.idp is None:
        raise RuntimeError(f"{subject.name} cannot make codes in advance")
    request = subject.web.authorization_request(scope)
    issued = []
    with subject.idp.administrator.provider() as provider, transaction():
        found = [session for sid in sessions if (session := provider.sessions.get(sid)) is not None]
        for number in range(count):
            session = found[number % len(found)]
            code = provider.tokens.codes.issue(
                Authorization(
                    client_id=subject.web.client_id,
                    user_id=session.user_id,
                    session_id=session.id,
                    scopes=tuple(scope.split()),
                    resources=(),
                    auth_time=session.auth_time,
                    acr=session.acr,
                    amr=session.amr,
                ),
                redirect_uri=subject.web.redirect_uri,
                redirect_uri_was_sent=True,
                code_challenge=request.params["code_challenge"],
                nonce=request.nonce,
            )
            issued.append((code, str(request.code_verifier)))
    return issued


def _refresh(subject: Subject) -> Measure:
    """Each visitor uses the refresh token that it was given last."""
    scope, params = _flow_of(subject)
    headers, _ = subject.web.authentication()
    path = path_of(subject.web.metadata["token_endpoint"])

    def visitor() -> Visit:
        current = _tokens(subject, scope, **params)

        def visit_once(connection: Connection) -> None:
            nonlocal current
            fields = {"grant_type": "refresh_token", "refresh_token": str(current["refresh_token"]), **params}
            current = json.loads(connection.post(path, fields, headers).expect(200).body)

        return visit_once

    visits = [visitor() for _ in range(CONNECTIONS)]
    return lambda seconds: Reading(visit(subject.port, visits, seconds=seconds))


# Signing in


def _sign_in(subject: Subject) -> Measure:
    """A browser without cookies: authorization request, sign-in page, password, and back with a code.

    What is timed is the POST of the password.
    """
    visits = [_sign_in_visitor(subject) for _ in range(SIGN_INS_AT_ONCE)]

    def measure(seconds: float) -> Reading:
        alone = visit(subject.port, visits[:1], seconds=seconds / 2)
        hash_ms = limits.measure("argon2", cores=1).wall_ms
        crowd = visit(subject.port, visits, seconds=seconds)
        return Reading(crowd, {"p50 alone ms": alone.p50, "one Argon2id ms": hash_ms})

    return measure


def _sign_in_visitor(subject: Subject) -> Visit:
    if subject.idp is None:
        raise RuntimeError(f"{subject.name} hashes no passwords")
    person = subject.idp.create_user(given_name="Ada")
    scope = "openid"
    with subject.idp.administrator.provider() as provider:
        provider.consents.grant(person.id, subject.web.client_id, (scope,), ())

    def visit_once(connection: Connection) -> float:
        jar: dict[str, str] = {}
        answer = connection.get(path_of(subject.web.authorization_request(scope).url))
        while answer.status != 200:
            path = path_of(answer.location)
            answer = connection.get(path, _cookies(jar, answer))
        token = _CSRF.search(answer.body)
        if token is None:
            raise UnexpectedAnswer(f"no sign-in form: {answer.body!r}")
        fields = {"username": person.email, "password": person.password, "csrf_token": token[1].decode()}
        headers = _cookies(jar, answer)
        begun = time.perf_counter()
        answer = connection.post(path, fields, headers).expect(303)
        took = time.perf_counter() - begun
        if "code=" not in _follow(connection, answer, headers, jar):
            raise UnexpectedAnswer("signed in, and yet no code")
        return took

    return visit_once


def _tokens_under_sign_ins(subject: Subject) -> Measure:
    """Token requests on eight connections, first alone, then while eight people sign in over and over."""
    fields, headers = _client_credentials(ORDERS_SCOPE, ORDERS_API)(subject)
    path = path_of(subject.machine.metadata["token_endpoint"])
    visits = [_sign_in_visitor(subject) for _ in range(SIGN_INS_AT_ONCE)]

    def ask(connection: Connection) -> None:
        connection.post(path, fields, headers).expect(200)

    def measure(seconds: float) -> Reading:
        alone = visit(subject.port, [ask] * SIGN_INS_AT_ONCE, seconds=seconds)
        durations: list[float] = []

        def timed(connection: Connection) -> None:
            begun = time.perf_counter()
            ask(connection)
            durations.append(time.perf_counter() - begun)

        visit(subject.port, [*visits, *[timed] * SIGN_INS_AT_ONCE], seconds=seconds)
        loaded = summary(durations, seconds)
        return Reading(loaded, {"p99 unloaded ms": alone.p99, "p99 ratio": loaded.p99 / alone.p99})

    return measure


# The rest


def _cold_start(subject: Subject) -> Measure:
    def measure(_seconds: float) -> Reading:
        took = seconds_to_first_answer(subject)
        return Reading(Sample(1, took, took * 1e3, took * 1e3))

    return measure


def _verification(library: str) -> Callable[[Subject], Measure]:
    """What a microservice pays for each token after the first, with a library that nobody here wrote."""

    def prepare(subject: Subject) -> Measure:
        response = subject.machine.client_credentials(ORDERS_SCOPE, resource=ORDERS_API)
        token, document = response.json()["access_token"], subject.machine.jwks()
        issuer = subject.machine.issuer
        verify = _pyjwt(document, issuer) if library == "pyjwt" else _joserfc(document, issuer)
        verify(token)

        def measure(seconds: float) -> Reading:
            durations, begun = [], time.perf_counter()
            while (instant := time.perf_counter()) - begun < seconds:
                verify(token)
                durations.append(time.perf_counter() - instant)
            return Reading(summary(durations, time.perf_counter() - begun))

        return measure

    return prepare


def _pyjwt(document: dict[str, Any], issuer: str) -> Callable[[str], object]:
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys}

    def verify(token: str) -> object:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, algorithms=["RS256"], audience=ORDERS_API, issuer=issuer)

    return verify


def _joserfc(document: dict[str, Any], issuer: str) -> Callable[[str], object]:
    keys = KeySet.import_key_set(document)  # type: ignore[arg-type]
    claims = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, aud={"essential": True, "value": ORDERS_API}, exp={"essential": True}
    )

    def verify(token: str) -> object:
        decoded = joserfc_jwt.decode(token, keys, algorithms=["RS256"])
        claims.validate(decoded.claims)
        return decoded

    return verify


_ALL = (
    Scenario(
        "cc-jwt",
        "client credentials, RS256 JWT",
        _repeated("token_endpoint", _client_credentials(ORDERS_SCOPE, ORDERS_API)),
        limit="rsa",
        peer="memory",
    ),
    Scenario(
        "cc-es256",
        "client credentials, ES256 JWT",
        _repeated("token_endpoint", _client_credentials(STOCK_SCOPE, STOCK_API)),
        limit="rsa",
    ),
    Scenario("code-exchange", "code → tokens", _code_exchange, limit="rsa", operations=2),
    Scenario("code-flow-session", "code flow, signed in", _code_flow, limit="rsa", operations=2, peer="redis"),
    Scenario("sign-in", "password sign-in", _sign_in, limit="argon2"),
    Scenario("refresh", "refresh", _refresh, limit="rsa", operations=2, peer="redis"),
    Scenario("introspect", "introspection", _repeated("introspection_endpoint", _introspection), peer="redis"),
    Scenario("userinfo", "UserInfo", _repeated("userinfo_endpoint", _userinfo), peer="redis"),
    Scenario("discovery", "discovery", _repeated("/.well-known/openid-configuration", _plain), peer="memory"),
    Scenario("jwks", "JWK Set", _repeated("jwks_uri", _plain), peer="memory"),
    Scenario("tokens-under-sign-ins", "token while 8 sign in", _tokens_under_sign_ins, meters_server=False),
    Scenario("cold-start", "start to first 200", _cold_start, peer="memory", meters_server=False),
    Scenario(
        "verify-pyjwt",
        "verification, PyJWT",
        _verification("pyjwt"),
        limit="rsa-verify",
        cores=1,
        meters_server=False,
    ),
    Scenario(
        "verify-joserfc",
        "verification, joserfc",
        _verification("joserfc"),
        limit="rsa-verify",
        cores=1,
        meters_server=False,
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
