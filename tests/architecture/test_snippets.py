"""The programs in the documentation run, against a real server."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from idp.storage.db import transaction
from tests.architecture.markdown import ROOT, blocks, commands, program_on
from tests.conftest import StartServer
from tests.helpers.backends import SQLITE
from tests.helpers.browser import Person
from tests.helpers.needs import need
from tests.helpers.server import CACHE_SECONDS, ORDERS_API, Server

DOCUMENTED_ISSUER = "http://localhost:8000"
TUTORIAL = "docs/tutorials/protect-an-api.md"
INTEROP = ROOT / "tests" / "interop"
GO_MAIN = """package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	verifier, err := newVerifier(context.Background())
	if err != nil {
		panic(err)
	}
	found, err := verify(context.Background(), verifier, os.Args[1], os.Args[2])
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("accepted:", found.ClientID)
}
"""
NODE_MAIN = """
import { verify } from './verify.mjs'
const answer = await verify(process.argv[2], process.argv[3]).then(
  (claims) => `accepted: ${claims.client_id}`, (error) => `refused: ${error.message}`)
console.log(answer)
"""


@pytest.fixture
def server(sqlite_server: Server) -> Server:
    """One storage is enough to read documentation by."""
    return sqlite_server


@pytest.fixture
def token(server: Server) -> tuple[str, str]:
    """A client id, and an access token of that client for reading orders."""
    client = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="orders:read")
    return client.client_id, client.client_credentials("orders:read", resource=ORDERS_API).json()["access_token"]


def run(command: list[str], directory: Path, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; what it printed."""
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_relying_party_of_the_readme_signs_people_in(server: Server, person: Person) -> None:
    """Registered by the command on the page, run as it stands there."""
    readme = ROOT / "README.md"
    (words,) = (words for words in commands(readme) if words[1:3] == ["client", "create"])
    made = server.cli(*words[1:])
    (code,) = (block.code for block in blocks(readme) if block.language == "python")
    code = code.replace(DOCUMENTED_ISSUER, server.issuer)
    code = code.replace("CLIENT_ID", made["client_id"]).replace("CLIENT_SECRET", made["client_secret"])
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    application = namespace["app"].test_client()
    away = application.get("/", base_url="http://localhost:5000")
    callback = server.browser().callback(away.location, person)
    answer = application.get(callback.url.removeprefix("http://localhost:5000"), base_url="http://localhost:5000")
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["sub"] == person.id


def test_the_python_api_of_the_tutorial(server: Server, token: tuple[str, str]) -> None:
    client_id, value = token
    namespace: dict[str, Any] = {}
    exec(program_on(TUTORIAL, "python").replace(DOCUMENTED_ISSUER, server.issuer), namespace)
    verify = namespace["verify"]
    assert verify(value, "orders:read")["client_id"] == client_id
    for bad_token, scope in ((value, "orders:write"), (value[:-6] + "AAAAAA", "orders:read")):
        with pytest.raises(jwt.PyJWTError):
            verify(bad_token, scope)


def test_the_python_api_of_the_tutorial_refuses_id_tokens(server: Server, person: Person) -> None:
    client = server.create_client()
    tokens = client.tokens(server.browser(), person, "openid")
    namespace: dict[str, Any] = {}
    exec(program_on(TUTORIAL, "python").replace(DOCUMENTED_ISSUER, server.issuer), namespace)
    with pytest.raises(jwt.PyJWTError, match="not an access token"):
        namespace["verify"](tokens["id_token"], "openid")


@pytest.mark.interop
def test_the_javascript_api_of_the_tutorial(server: Server, token: tuple[str, str], tmp_path: Path) -> None:
    installed = INTEROP / "node" / "node_modules"
    need(shutil.which("node") and installed.is_dir(), "npm ci --prefix tests/interop/node has not been run")
    client_id, value = token
    code = program_on(TUTORIAL, "javascript").replace(DOCUMENTED_ISSUER, server.issuer)
    (tmp_path / "verify.mjs").write_text(code)
    (tmp_path / "main.mjs").write_text(NODE_MAIN)
    (tmp_path / "node_modules").symlink_to(installed)
    assert run(["node", "main.mjs", value, "orders:read"], tmp_path) == f"accepted: {client_id}"
    assert run(["node", "main.mjs", value, "orders:write"], tmp_path) == "refused: insufficient scope"


@pytest.mark.interop
def test_the_go_api_of_the_tutorial(server: Server, token: tuple[str, str], tmp_path: Path) -> None:
    need(shutil.which("go"), "Go is not installed")
    client_id, value = token
    for name in ("go.mod", "go.sum"):
        shutil.copy(INTEROP / "go" / name, tmp_path)
    (tmp_path / "verify.go").write_text(program_on(TUTORIAL, "go").replace(DOCUMENTED_ISSUER, server.issuer))
    (tmp_path / "main.go").write_text(GO_MAIN)
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    run(["go", "build", "-o", "api", "."], tmp_path, env)
    assert run(["gofmt", "-l", "verify.go"], tmp_path) == ""
    assert run(["./api", value, "orders:read"], tmp_path) == f"accepted: {client_id}"
    assert run(["./api", value, "orders:write"], tmp_path) == "refused: insufficient scope"


def test_registering_an_api_as_the_guide_says(server: Server) -> None:
    guide = ROOT / "docs" / "how-to" / "register-a-client.md"
    (words,) = (words for words in commands(guide) if words[1:3] == ["api", "create"])
    server.cli(*words[1:])
    time.sleep(CACHE_SECONDS)
    client = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope="stock:read")
    answer = client.client_credentials("stock:read", resource="https://stock.example.com").json()
    assert answer["expires_in"] == 120
    assert client.verify_access_token(answer["access_token"], "https://stock.example.com")["scope"] == "stock:read"


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_the_program_that_verifies_an_exported_trail(start_server: StartServer, tmp_path: Path) -> None:
    """It knows nothing of the product, and finds what was done to the export."""
    server = start_server()
    person = server.create_user(name="Zoë Ωmega")
    erased = server.create_user()
    client = server.create_client()
    for somebody in (person, erased):
        client.tokens(server.browser(), somebody, "openid")
    first = server.run("audit", "heads", "--sign").stdout
    with server.administrator.provider() as provider, transaction():
        assert provider.audit.pseudonymise(erased.id) > 0
    heads = server.run("audit", "heads", "--sign").stdout
    assert heads.startswith(first)
    trail = server.run("audit", "export").stdout
    program, files = (
        tmp_path / "verify_audit.py",
        [tmp_path / name for name in ("audit.jsonl", "heads.jws", "jwks.json")],
    )
    program.write_text(program_on("docs/how-to/prove-the-audit-trail.md", "verify-audit"))
    files[1].write_text(heads)
    files[2].write_text(httpx.get(f"{server.issuer}/oauth2/jwks").text)

    def verdict(content: str) -> str:
        files[0].write_text(content)
        done = subprocess.run(
            [sys.executable, program, *files], capture_output=True, text=True, check=False, timeout=60
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    lines = trail.splitlines(keepends=True)
    assert verdict(trail) == f"{len(lines)} events, as signed 2 times\n"
    assert "origin was altered" in verdict(trail.replace(f'"actor": "user:{person.id}"', '"actor": "user:x"', 1))
    assert "subject was altered" in verdict(trail.replace(f'"user_id": "{person.id}"', '"user_id": "x"', 1))
    assert "event was altered" in verdict(trail.replace(f'"client_id": "{client.client_id}"', '"client_id": "x"', 1))
    assert "is missing" in verdict("".join(lines[:2] + lines[3:]))
    assert "not what was signed" in verdict("".join(lines[:-1]))
