"""The whole demo in one command: idp on an SQLite file, a relying party and a microservice.

`make demo` runs this with `python -m examples.demo`. `PORT` moves idp, and the issuer with it; `DEMO_RP_PORT` and
`DEMO_API_PORT` move the other two. What the environment already says about idp (`IDP_…`) stays; Ctrl-C or SIGTERM
stops everything that was started.
"""

import ctypes
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 20
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three of them listen."""

    idp: int
    relying_party: int
    microservice: int

    @classmethod
    def from_environment(cls) -> "Ports":
        """The usual ports, unless the environment moves them. Raises DemoError."""
        ports = cls(_port("PORT", 8000), _port("DEMO_RP_PORT", 9000), _port("DEMO_API_PORT", 9001))
        if len({ports.idp, ports.relying_party, ports.microservice}) < 3:
            raise DemoError("idp, the relying party and the microservice need a port each: "
                            f"PORT={ports.idp}, DEMO_RP_PORT={ports.relying_party}, "
                            f"DEMO_API_PORT={ports.microservice}")  # fmt: skip
        return ports


class Stopped(KeyboardInterrupt):
    """A signal asked the demo to stop."""


def main() -> int:
    """Start everything, wait, stop everything. 0 if a person stopped it, 1 if it failed."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _stop)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        ports = Ports.from_environment()
        environment = _environment(ports)
        issuer = environment["IDP_ISSUER"]
        relying_party = f"http://localhost:{ports.relying_party}"
        for port, owner, variable in (
            (ports.idp, "idp", "PORT"),
            (ports.relying_party, "the relying party", "DEMO_RP_PORT"),
            (ports.microservice, "the microservice", "DEMO_API_PORT"),
        ):
            _require_free(port, owner, variable)
        _run(environment, "db", "upgrade")
        seed = json.loads(_run(environment, "demo", "seed", "--relying-party", relying_party, "--json"))
        outside = {**os.environ, "OIDC_ISSUER": issuer}
        outside["ORDERS_URL"] = f"http://localhost:{ports.microservice}/orders"
        started["idp"] = _start(["idp", "serve", "--port", str(ports.idp)], environment)
        started["relying party"] = _start(["examples.relying_party.app"], {**outside, "PORT": str(ports.relying_party)})
        started["microservice"] = _start(["examples.microservice.app"], {**outside, "PORT": str(ports.microservice)})
        _wait_until_ready(started, ports)
        has_mailbox = not environment.get("IDP_SMTP_URL")
        print(_banner(issuer, ports, seed, has_mailbox=has_mailbox), flush=True)
        _wait(started)
    except DemoError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    except Stopped:
        print("\nStopping the demo.", flush=True)
        return 0
    finally:
        _stop_all(started)
    return 0


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"{variable} is '{text}': set it to a number between 1 and 65535")
    return int(text)


def _environment(ports: Ports) -> dict[str, str]:
    """The environment of idp: development on ./var/idp.db, unless the caller's own `IDP_…` says otherwise."""
    environment = {
        "IDP_ENVIRONMENT": "development",
        "IDP_ISSUER": f"http://localhost:{ports.idp}",
        "IDP_DATABASE_URL": f"sqlite:///{ROOT / 'var' / 'idp.db'}",
        "IDP_KEYS_DIR": str(ROOT / "keys"),
        "IDP_LOG_LEVEL": "warning",  # what is to be read stands alone
        **os.environ,
    }
    environment.pop("PORT", None)
    return environment


def _require_free(port: int, owner: str, variable: str) -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if family is socket.AF_INET6 and not _in_use(error):
                continue  # a machine without IPv6
            hint = f"move it with {variable}=…, or stop the program that listens there"
            raise DemoError(f"port {port}, which {owner} needs, is taken ({error.strerror}): {hint}") from None


def _in_use(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


def _run(environment: Mapping[str, str], *arguments: str) -> str:
    """Run an `idp` command to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "idp", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        raise DemoError(f"'idp {' '.join(arguments)}' failed; its own message is above")
    return done.stdout


def _start(arguments: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=environment, preexec_fn=_die_with_parent)


def _die_with_parent() -> None:
    """On Linux, end the child even if the demo itself is killed without a chance to clean up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_ready(started: Mapping[str, subprocess.Popen[bytes]], ports: Ports) -> None:
    urls = {
        "idp": f"http://127.0.0.1:{ports.idp}/readyz",
        "microservice": f"http://127.0.0.1:{ports.microservice}/healthz",
        "relying party": f"http://127.0.0.1:{ports.relying_party}/",
    }
    deadline = time.monotonic() + START_SECONDS
    for name, url in urls.items():
        while not _answers(url):
            _require_alive(started)
            if time.monotonic() > deadline:
                raise DemoError(f"{name} did not become ready within {START_SECONDS} seconds ({url})")
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _require_alive(started: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            raise DemoError(f"{name} ended unexpectedly (exit code {process.returncode})")


def _wait(started: Mapping[str, subprocess.Popen[bytes]]) -> None:
    while True:
        _require_alive(started)
        time.sleep(0.5)


def _stop_all(started: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """SIGTERM to all, then SIGKILL to what is left. A second Ctrl-C does not interrupt the cleaning up."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    for process in started.values():
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in started.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _banner(issuer: str, ports: Ports, seed: Mapping[str, Any], *, has_mailbox: bool) -> str:
    lines = [
        "",
        "The demo is running.",
        "",
        f"  idp              {issuer}",
        f"  discovery        {issuer}/.well-known/openid-configuration",
        f"  relying party    http://localhost:{ports.relying_party}   <- start here: 'Sign in with idp'",
        f"  microservice     http://localhost:{ports.microservice}/orders",
        *([f"  mailbox          {issuer}/dev/mail   <- codes and links that would be mailed"] if has_mailbox else []),
        "",
        f"Accounts (password of all: {seed['password']})",
    ]
    for user in seed["users"]:
        lines.append(f"  {user['email']:<20} {user['note']}")
        if "totp_secret" in user:
            lines.append(f"  {'':<20} TOTP secret {user['totp_secret']}")
            lines.append(f"  {'':<20} {user['otpauth_uri']}")
    lines += ["", "Clients"]
    for client in seed["clients"]:
        lines.append(f"  {client['client_id']:<14} {client['client_secret'] or '(public, PKCE)'}")
        lines.append(f"  {'':<14} {client['note']}")
    lines += [
        "",
        f"Without a browser, from {ROOT}:",
        f"  {_service_command(issuer, ports)}",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _service_command(issuer: str, ports: Ports) -> str:
    """The service client's command as it is typed in the project's directory, with the addresses that were moved."""
    usual = {"OIDC_ISSUER": "http://localhost:8000", "ORDERS_URL": "http://localhost:9001/orders"}
    actual = {"OIDC_ISSUER": issuer, "ORDERS_URL": f"http://localhost:{ports.microservice}/orders"}
    moved = [f"{name}={shlex.quote(value)}" for name, value in actual.items() if value != usual[name]]
    python = Path(sys.executable)
    if python.is_relative_to(ROOT):
        python = python.relative_to(ROOT)
    return " ".join([*moved, shlex.quote(str(python)), "-m", "examples.service_client"])


if __name__ == "__main__":
    sys.exit(main())
