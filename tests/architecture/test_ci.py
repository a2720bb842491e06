"""What `.ci/run` lets pass: a test that fails once on a busy machine, and nothing else."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Stands in for make: says what it was asked, fails as told, and leaves what pytest would leave.
MAKE = """#!/bin/sh
echo "make $*" >> calls
case "$*" in
    check) exit "$CHECK" ;;
    test) mkdir -p .pytest_cache/v/cache; printf '%s' "$FAILED" > .pytest_cache/v/cache/lastfailed; exit "$FIRST" ;;
    *) exit "$SECOND" ;;
esac
"""
COVERAGE = '#!/bin/sh\necho "coverage $*" >> calls\nexit "$COVERED"\n'
A_TEST = {"tests/a.py::test_one[x y]": True, "tests/b.py::TestTwo::test_two": True}
A_MODULE = {"tests/broken.py": True}


def outcome(directory: Path, *, failed: dict[str, bool], **statuses: str) -> tuple[int, list[str]]:
    """The status of `.ci/run`, and what it ran."""
    for name, text in {"bin/make": MAKE, ".venv/bin/coverage": COVERAGE}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    (directory / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", directory / ".ci")
    said = {"CHECK": "0", "FIRST": "2", "SECOND": "0", "COVERED": "0", **statuses}
    env = {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}", "FAILED": json.dumps(failed, indent=2), **said}
    done = subprocess.run([directory / ".ci" / "run"], env=env, timeout=60, check=False)
    return done.returncode, (directory / "calls").read_text().splitlines()


def test_what_passes_is_run_once(tmp_path: Path) -> None:
    assert outcome(tmp_path, failed={}, FIRST="0") == (0, ["make check", "make test"])


def test_a_test_that_fails_has_one_more_chance(tmp_path: Path) -> None:
    status, calls = outcome(tmp_path, failed=A_TEST)
    assert status == 0
    assert "--last-failed" in calls[2]


@pytest.mark.parametrize(
    ("failed", "statuses"),
    [
        (A_TEST, {"SECOND": "2"}),
        (A_TEST, {"COVERED": "2"}),
        (A_TEST, {"CHECK": "2"}),
        (A_MODULE, {}),
        (A_TEST | A_MODULE, {}),
        # Too little coverage, or pytest did not get to its end.
        ({}, {"SECOND": "5"}),
    ],
)
def test_what_does_not_pass(tmp_path: Path, failed: dict[str, bool], statuses: dict[str, str]) -> None:
    assert outcome(tmp_path, failed=failed, **statuses)[0] != 0


def test_a_module_that_cannot_be_read_is_not_tried_again(tmp_path: Path) -> None:
    assert outcome(tmp_path, failed=A_TEST | A_MODULE)[1] == ["make check", "make test"]
