"""The lock files are in step with pyproject.toml, and install from whatever registry is configured."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PINNED = re.compile(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def project() -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted(lock: str) -> list[Requirement]:
    """What must be in a lock: the dependencies, and the groups that it is made of."""
    groups = project()["dependency-groups"]
    chosen = ("build", "examples") if lock == "requirements.lock" else tuple(groups)
    texts = [text for group in chosen for text in groups[group] if isinstance(text, str)]
    return [Requirement(text) for text in [*project()["project"]["dependencies"], *texts]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked(lock: str) -> None:
    pinned = dict(PINNED.findall((ROOT / lock).read_text()))
    missing = [
        str(requirement)
        for requirement in wanted(lock)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]
    assert missing == [], "run: make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    runtime, dev = (dict(PINNED.findall((ROOT / lock).read_text())) for lock in LOCKS)
    assert {name: version for name, version in runtime.items() if dev.get(name) != version} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_python_locks_name_no_registry(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()


def test_the_npm_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "tests/interop/node/package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
