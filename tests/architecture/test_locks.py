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
DOCKERFILE = ROOT / "Dockerfile"
GROUPS: dict[str, tuple[str, ...]] = {
    "requirements.lock": (),
    "requirements-build.lock": ("build",),
    "requirements-demo.lock": ("examples",),
    "requirements-dev.lock": ("build", "examples", "dev"),
}
"""Lock file → the dependency groups in it."""
LOCKS = tuple(GROUPS)
PINNED = re.compile(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def project() -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted(lock: str) -> list[Requirement]:
    """What must be in a lock: the dependencies (unless it only builds), and the groups that it is made of."""
    groups = project()["dependency-groups"]
    dependencies = [] if lock == "requirements-build.lock" else project()["project"]["dependencies"]
    texts = [text for group in GROUPS[lock] for text in groups[group] if isinstance(text, str)]
    return [Requirement(text) for text in [*dependencies, *texts]]


def pins(lock: str) -> dict[str, str]:
    """Package → version."""
    return dict(PINNED.findall((ROOT / lock).read_text()))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked(lock: str) -> None:
    pinned = pins(lock)
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


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock != "requirements-dev.lock"])
def test_the_locks_agree(lock: str) -> None:
    dev = pins("requirements-dev.lock")
    assert {name: version for name, version in pins(lock).items() if dev.get(name) != version} == {}


def test_the_image_has_nothing_to_build_test_or_demonstrate_with() -> None:
    groups = project()["dependency-groups"]
    foreign = {
        canonicalize_name(Requirement(text).name)
        for group in groups.values()
        for text in group
        if isinstance(text, str)
    }
    assert foreign & pins("requirements.lock").keys() == set()
    environments = re.findall(r"(\S+)/bin/pip install --require-hashes --requirement (\S+)", DOCKERFILE.read_text())
    assert dict(environments) == {"/opt/idp": "requirements.lock", "/opt/build": "requirements-build.lock"}
    assert re.findall(r"COPY --from=build (\S+)", DOCKERFILE.read_text()) == ["/opt/idp"]


@pytest.mark.parametrize("lock", LOCKS)
def test_python_locks_name_no_registry(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()


def test_the_npm_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "tests/interop/node/package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
