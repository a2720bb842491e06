"""One step further than strangers come: a silent sign-in of a registered client."""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from idp.cli.doctor.authorization import REQUEST, leads_to, response_parameters, with_query
from idp.cli.doctor.exchange import Answer, Exchange, is_private
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Faults, Finding, judged, quoted
from idp.cli.doctor.metadata import Metadata
from idp.cli.doctor.programs import error_code

# Characters that a state may hold, and that careless code loses on its way through a URL.
AWKWARD = "+/=&%20 ~é"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """Who asks; the secret is None for public clients, and for those that do not want it tried."""

    client_id: str
    redirect_uri: str
    secret: str | None = field(default=None, repr=False)


def checks(exchange: Exchange, metadata: Metadata, client: RegisteredClient) -> Iterator[Finding]:
    """OpenID Connect Core §3.1.2.6, RFC 9207 §2; with a secret RFC 6749 §2.3. Raises NoAnswerError."""
    url = metadata.url("authorization_endpoint")
    if url is not None:
        yield from _silent(exchange, metadata, client, url)
    url = metadata.url("token_endpoint")
    if url is None or client.secret is None:
        return
    if reason := _would_betray(metadata, url):
        yield Finding("sign-in.secret", WARNING, f"not tried, so that nobody else learns the secret: {reason}")
        return
    yield from judged("sign-in.secret", "the secret is the client's", _secret(exchange, metadata, client, url))


def _would_betray(metadata: Metadata, url: str) -> str | None:
    """Why the secret must not be sent to that address: it may not be the provider's, or others listen on the way."""
    if metadata.document.get("issuer") != metadata.issuer:
        return "the document is another issuer's (see discovery.issuer)"
    if not is_private(metadata.issuer):
        return "the document came over plain HTTP, so anybody may have written it"
    return None if is_private(url) else "the token endpoint is plain HTTP"


def _silent(exchange: Exchange, metadata: Metadata, client: RegisteredClient, url: str) -> Iterator[Finding]:
    check = "sign-in.silent"
    state = secrets.token_urlsafe(8) + AWKWARD
    own = {"client_id": client.client_id, "redirect_uri": client.redirect_uri, "state": state, "prompt": "none"}
    answer = exchange.ask(with_query(url, {**REQUEST, **own}))
    if not leads_to(answer, client.redirect_uri):
        yield Finding(check, PROBLEM, _astray(answer))
        return
    parameters = response_parameters(answer)
    yield from judged(check, "prompt=none comes back with login_required", _error(parameters.get("error")))
    if parameters.get("state") == state:
        yield Finding("sign-in.state", OK, "comes back byte for byte")
    else:
        message = f"{quoted(state)} came back as {quoted(parameters.get('state'))}: clients take that for an attack"
        yield Finding("sign-in.state", PROBLEM, message)
    iss = parameters.get("iss")
    yield from judged("sign-in.iss", "the response names its issuer", _iss(iss, metadata))


def _astray(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        where = quoted(answer.header("Location"))
        return f"prompt=none leads to {where} instead of back to the client: hidden frames of applications hang there"
    return (
        f"prompt=none is answered with {answer.status} instead of a redirect: are client ID and redirect URI "
        "registered exactly so, and may the client use the code flow?"
    )


def _error(error: str | None) -> Faults:
    if error not in ("login_required", "interaction_required"):
        yield (
            PROBLEM,
            f"prompt=none comes back with {quoted(error)}, not with login_required (OpenID Connect Core §3.1.2.6)",
        )
    elif error != "login_required":
        yield WARNING, "prompt=none comes back with interaction_required: with nobody signed in, say login_required"


def _iss(iss: str | None, metadata: Metadata) -> Faults:
    if iss is None and metadata.has_iss:
        yield PROBLEM, "the response has no iss although the document promises it: clients refuse it (RFC 9207 §2.4)"
    elif iss is None:
        yield WARNING, "the response has no iss: clients of several providers cannot tell whose it is (RFC 9207)"
    elif iss != metadata.issuer:
        yield PROBLEM, f"the response says {quoted(iss)}, not the issuer: clients refuse it (RFC 9207 §2.4)"


def _secret(exchange: Exchange, metadata: Metadata, client: RegisteredClient, url: str) -> Faults:
    """A code that never was is refused as such to whoever has the secret, and to nobody else."""
    secret = client.secret or ""
    form = {"grant_type": "authorization_code", "code": "idp-doctor", "redirect_uri": client.redirect_uri}
    form["code_verifier"] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    methods = metadata.names("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    tried = []
    for method in ("client_secret_basic", "client_secret_post"):
        if method not in methods:
            continue
        if method == "client_secret_basic":
            pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}".encode()
            answer = exchange.ask(url, form=form, headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"})
        else:
            answer = exchange.ask(url, form={**form, "client_id": client.client_id, "client_secret": secret})
        if error_code(answer) == "invalid_grant":
            return
        tried.append(f"{method}: {answer.status} {quoted(error_code(answer))}")
    yield (
        PROBLEM,
        f"a made-up code should be refused with invalid_grant; {'; '.join(tried) or 'no method takes a secret'}",
    )
