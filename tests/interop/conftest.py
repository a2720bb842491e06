"""The programs of others, made ready once, and the people and clients that they need."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.needs import need
from tests.helpers.server import Server

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command that runs a script of `tests/interop/node`; add its name."""
    installed = HERE / "node" / "node_modules" / "openid-client"
    need(shutil.which("node") and installed.is_dir(), "npm ci --prefix tests/interop/node has not been run")
    return ["node"]


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The relying party of `tests/interop/go`, compiled."""
    need(shutil.which("go"), "Go is not installed")
    program = tmp_path_factory.mktemp("go") / "interop"
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    _compile(["go", "build", "-trimpath", "-o", str(program), "."], HERE / "go", env)
    return [str(program)]


@pytest.fixture(scope="session")
def java_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The relying party of `tests/interop/java`, compiled."""
    libraries = HERE / "java" / "target" / "lib"
    need(shutil.which("javac") and libraries.is_dir(), "Java or its libraries are missing: see the Makefile")
    classes = tmp_path_factory.mktemp("java")
    command = ["javac", "-Xlint:all", "-Werror", "-cp", f"{libraries}/*", "-d", str(classes), "Interop.java"]
    _compile(command, HERE / "java", dict(os.environ))
    return ["java", "-cp", f"{classes}:{libraries}/*", "Interop"]


def _compile(command: list[str], directory: Path, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: {done.stdout}{done.stderr}")


@pytest.fixture
def server(sqlite_server: Server) -> Server:
    """What clients see does not depend on the storage: here, one server is enough."""
    return sqlite_server


@pytest.fixture
def person(server: Server) -> Person:
    """Somebody with a name and a verified e-mail address."""
    return server.create_user(name="Ada Example", given_name="Ada", family_name="Example")


@pytest.fixture
def browser(server: Server) -> Browser:
    """That person's browser."""
    return server.browser()
