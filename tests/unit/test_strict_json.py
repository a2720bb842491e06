"""JSON that two parsers read alike."""

import orjson
import pytest

from idp.core.strict_json import DEEPEST, strict_json


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "NaN",
        "[Infinity]",
        str(2**64),
        str(-(2**63) - 1),
        "[" + "9" * 5000 + "]",
        "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
        '{"a":' * 5000 + "1" + "}" * 5000,
        "",
        "{",
        '"\\ud800"',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json(text.encode())


@pytest.mark.parametrize(
    "text", ["[" * DEEPEST + "]" * DEEPEST, str(2**64 - 1), str(-(2**63)), '{"a": [1, 2.5, null, "\u00e9"]}', "-0"]
)
def test_what_is_taken_can_be_written_again(text: str) -> None:
    value = strict_json(text.encode())
    assert orjson.loads(orjson.dumps(value)) == value
