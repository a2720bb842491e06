"""`make demo` for a test: the same program, on free ports and with data of its own."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.helpers.administrator import Administrator
from tests.helpers.processes import free_port, start, stopping, wait_until
from tests.helpers.server import ROOT, clean_environment

PASSWORD = "correct horse battery staple"
START_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: three base URLs, and whoever administers it."""

    issuer: str
    relying_party: str
    microservice: str
    administrator: Administrator


@contextlib.contextmanager
def running_demo(directory: Path) -> Iterator[Demo]:
    """The demo for the length of the block. Raises StartError."""
    idp, relying_party, microservice = free_port(), free_port(), free_port()
    settings = {
        "IDP_ENVIRONMENT": "development",
        "IDP_ISSUER": f"http://localhost:{idp}",
        "IDP_DATABASE_URL": f"sqlite:///{directory / 'idp.db'}",
        "IDP_KEYS_DIR": str(directory / "keys"),
        "IDP_LOG_LEVEL": "warning",
    }
    ports = {"PORT": str(idp), "DEMO_RP_PORT": str(relying_party), "DEMO_API_PORT": str(microservice)}
    log = directory / "demo.log"
    process = start([sys.executable, "-m", "examples.demo"], log, env=clean_environment(settings | ports), cwd=ROOT)
    home = f"http://localhost:{relying_party}"
    with stopping(process):
        wait_until(lambda: _says_it_runs(log) and _answers(home), process, log, "the demo", START_SECONDS)
        administrator = Administrator(settings)
        yield Demo(settings["IDP_ISSUER"], home, f"http://localhost:{microservice}", administrator)
        administrator.close()


def _says_it_runs(log: Path) -> bool:
    return "The demo is running." in log.read_text(errors="replace")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
