"""Run the console script in this process, on an SQLite file of its own."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp.cli import main

PASSWORD = "a quiet river bends twice"

Run = Callable[..., Result]
Ask = Callable[..., Any]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Cheap hashing, one signing algorithm, an SQLite file that does not exist yet."""
    for name in list(os.environ):
        if name.startswith("IDP_"):
            monkeypatch.delenv(name)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    values = {
        "IDP_DATABASE_URL": f"sqlite:///{tmp_path}/var/idp.db",
        "IDP_KEYS_DIR": str(keys),
        "IDP_KEYS__ALGORITHMS": "RS256",
        "IDP_PASSWORDS__ARGON2_MEMORY_KIB": "64",
        "IDP_PASSWORDS__ARGON2_ITERATIONS": "1",
        "IDP_PASSWORDS__BREACH_CHECK": "off",
        # Nobody listens there.
        "IDP_ISSUER": "http://localhost:1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run `idp …`."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return run


@pytest.fixture
def ask(run: Run) -> Ask:
    """Run `idp … --json`, insist on success, return what it printed."""

    def ask(*arguments: str, stdin: str | None = None) -> Any:
        result = run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return ask


def failure(result: Result) -> str:
    """The one line on stderr of a command that failed in good order."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr
