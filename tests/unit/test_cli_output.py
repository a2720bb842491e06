"""What commands print: whatever strangers wrote, it neither fools a terminal nor stops a command."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from idp.cli.output import print_json, print_json_line, text

HOSTILE = "caf\udce9\ud800\u202e\x1b[2J\r\n"


@pytest.mark.parametrize("printed", [print_json, print_json_line])
def test_half_a_surrogate_is_escaped_in_json(
    printed: Callable[[Any], None], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    printed({"note": HOSTILE})
    assert json.loads(capfdbinary.readouterr().out.decode()) == {"note": HOSTILE}


def test_on_a_line_for_people_everything_that_does_something_is_escaped() -> None:
    assert text(HOSTILE) == r"caf\udce9\ud800\u202e\x1b[2J\r\n"
