"""An attacker's tools: raw bytes on the wire, many requests at one moment, tokens with any header."""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
from sqlalchemy import update

from idp.storage.db import transaction
from idp.storage.tables import TokenFamily
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import RelyingParty, base64url
from tests.helpers.server import Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
T = TypeVar("T")


def in_parallel(count: int, action: Callable[[int], T]) -> list[T]:
    """What `action(0)`, `action(1)`, … return when all begin at the same moment."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait()
        return action(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def on_the_wire(server: Server, data: bytes, seconds: float = 5) -> bytes:
    """Send bytes and return everything that comes back until the server closes (say `Connection: close`)."""
    received = b""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection,
        contextlib.suppress(TimeoutError, ConnectionError),
    ):
        connection.sendall(data)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def raw_request(server: Server, line: str | bytes, *headers: str | bytes, body: bytes = b"", host: str = "") -> bytes:
    """The bytes of a request that asks for one answer; `line` is `GET /path`, `host` replaces the right one."""
    right = f"127.0.0.1:{server.port}"
    head = [_bytes(line) + b" HTTP/1.1", f"Host: {host or right}".encode(), b"Connection: close", *map(_bytes, headers)]
    if body:
        head.append(f"Content-Length: {len(body)}".encode())
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 if the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


def processor_seconds(server: Server) -> float:
    """How long the server's processes have been computing. Unlike the clock, it does not run while others do."""
    nanoseconds = 0
    for process in _with_children(server.pid):
        for task in Path(f"/proc/{process}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _with_children(parent: int) -> list[int]:
    processes = [parent]
    for listed in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in listed.read_text().split():
            processes += _with_children(int(child))
    return processes


def an_address() -> str:
    """An address that nobody else attacks from."""
    return "10." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))


def encoded(value: Any) -> str:
    """A JWS part: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64url(text.encode())


def decoded(part: str) -> Any:
    """The JSON of a JWS part."""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a JWT, unverified."""
    header, claims, _ = token.split(".")
    return decoded(header), decoded(claims)


def genuine(server: Server, header: Mapping[str, Any] | str, claims: Mapping[str, Any] | str) -> str:
    """A JWT of any shape with the server's own signature: the attack is in the shape alone."""
    with server.administrator.provider() as provider:
        signer = provider.keyset.signer("RS256")
        if not isinstance(header, str):
            header = {"alg": signer.alg, "kid": signer.kid, **header}
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{base64url(signer.sign(signing_input.encode()))}"


def hmac_signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes) -> str:
    """A JWT under HMAC-SHA256 with any key, also one that no library would take."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    return f"{signing_input}.{base64url(hmac.digest(key, signing_input.encode(), hashlib.sha256))}"


def must_be_page(shown: Page | Callback, data_page: str | None = None) -> Page:
    """Nobody was sent away; with `data_page`, this is the page that is shown."""
    assert isinstance(shown, Page), f"sent away to {shown.url}"
    assert data_page is None or shown.data_page == data_page, shown
    return shown


def log_in_form(page: Page) -> dict[str, str]:
    """The hidden fields of a sign-in form."""
    form = page.form_with(field="password")
    return {name: value for name, value in form.fields if name == "csrf_token"}


def guess(browser: Browser, page: Page, username: str, password: str) -> httpx.Response:
    """Post one password to an open sign-in page; redirects are not followed."""
    fields = {**log_in_form(page), "username": username, "password": password}
    return browser.http.post(page.url, content=urlencode(fields), headers=FORM)


def is_signed_in(browser: Browser, person: Person) -> bool:
    """Whether the start page greets this person."""
    page = browser.page("/")
    return person.email in page.text


def age_family(server: Server, refresh_token: str, **columns: Any) -> None:
    """Let time pass for one token family: set columns of its row."""
    with server.administrator.provider() as provider:
        presented = provider.tokens.refresh.read(refresh_token)
        assert presented is not None
        with transaction() as session:
            session.execute(update(TokenFamily).where(TokenFamily.id == presented.family.id).values(**columns))


def events(server: Server, name: str, **columns: Any) -> list[dict[str, Any]]:
    """The details of the latest audit events of that name, newest first, whose columns have these values."""
    with server.administrator.provider() as provider:
        records = [record for record in provider.audit.tail(500) if record.event == name]
    wanted = [record for record in records if all(getattr(record, key) == value for key, value in columns.items())]
    return [record.details for record in wanted]


def everything_is_dead(party: RelyingParty, tokens: Mapping[str, Any]) -> bool:
    """Whether neither the access token nor the refresh token works anywhere."""
    refreshed = party.refresh(tokens["refresh_token"]) if "refresh_token" in tokens else None
    may_ask = party.auth_method != "none"
    return (
        not (may_ask and party.is_active(tokens["access_token"]))
        and party.userinfo(tokens["access_token"]).status_code == 401
        and (refreshed is None or refreshed.json().get("error") == "invalid_grant")
    )
