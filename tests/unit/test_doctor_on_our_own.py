"""`idp doctor --issuer URL` has no complaints about idp itself, however it is deployed."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from idp.cli.doctor.finding import OK, Finding
from idp.cli.doctor.relying_party import examine
from idp.cli.doctor.sign_in import RegisteredClient
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.relying_party import CALLBACK
from tests.helpers.server import Server, prepared_server

NewServer = Callable[..., Server]


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[NewServer]:
    """Start a server with these settings, and a path in its issuer if one is given."""
    with contextlib.ExitStack() as stack:

        def start(path: str = "", *, tls: bool = True, **settings: str) -> Server:
            backend = stack.enter_context(fresh_backend(SQLITE, tmp_path))
            server = stack.enter_context(prepared_server(backend, tmp_path, tls=tls, **settings))
            server.settings["IDP_ISSUER"] += path
            server.start()
            return server

        yield start


def amiss(server: Server) -> list[Finding]:
    """What is not ok, for strangers and for a registered client."""
    client = server.create_client(client_name="Doctor")
    registered = RegisteredClient(client.client_id, CALLBACK, client.client_secret)
    bundle = None if server.certificate is None else server.certificate_file
    findings = list(examine(server.issuer, bundle, registered))
    assert {"sign-in.state", "sign-in.secret"} <= {finding.check for finding in findings}
    return [finding for finding in findings if finding.level != OK]


@pytest.mark.parametrize("path", ["", "/auth/main"])
def test_there_is_nothing_to_complain_about_over_https(new_server: NewServer, path: str) -> None:
    assert amiss(new_server(path)) == []


def test_nor_on_this_machine_without_tls(new_server: NewServer) -> None:
    assert amiss(new_server(tls=False)) == []


def test_nor_with_a_single_algorithm_and_without_front_channel_tokens(new_server: NewServer) -> None:
    server = new_server(IDP_KEYS__ALGORITHMS="RS256", IDP_FEATURES__FRONT_CHANNEL_TOKENS="false")
    assert amiss(server) == []


def test_nor_in_production(new_server: NewServer) -> None:
    assert amiss(new_server(IDP_ENVIRONMENT="production")) == []


def test_a_slash_too_many_is_said(new_server: NewServer) -> None:
    server = new_server(tls=False)
    done = server.run("doctor", "--issuer", server.issuer + "/", "--json")
    assert done.returncode == 1
    [problem] = [finding for finding in json.loads(done.stdout) if finding["level"] != OK]
    assert problem["check"] == "discovery.issuer"
    assert problem["message"].endswith("without the trailing slash")
