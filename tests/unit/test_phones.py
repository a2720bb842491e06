"""Phone numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.core.errors import Invalid
from idp.identity.directory.phones import REGIONS, calling_code, parse_phone, readable_phone, region_of


@pytest.mark.parametrize(
    ("raw", "region", "stored"),
    [
        ("+49 30 901820", None, "+4930901820"),
        ("030 / 90 18 20", "DE", "+4930901820"),
        ("(030) 901820", "DE", "+4930901820"),
        ("0049 30 901820", "DE", "+4930901820"),
        ("+49 30 901820", "US", "+4930901820"),
        ("01865 276150", "GB", "+441865276150"),
        ("(425) 555-1212", "US", "+14255551212"),
        ("(425) 555-1212 ext. 34", "US", "+14255551212;ext=34"),
        ("+6047000000;ext=5678", None, "+6047000000;ext=5678"),
        ("tel:+49-30-901820", None, "+4930901820"),
        ("٠٣٠ ٩٠١٨٢٠", "DE", "+4930901820"),
        ("06 698 12345", "IT", "+390669812345"),
    ],
)
def test_fitting_numbers(raw: str, region: str | None, stored: str) -> None:
    assert parse_phone(raw, region) == stored


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("030 901820", None), ("030 901820", "XX"), ("030 901820", ""), ("110", "DE"), ("+1 000 000 0000", None),
        ("+49", None), ("telephone", "DE"), ("", "DE"), ("+49 30 901820\r\nX: y", None), ("1" * 5000, "DE"),
        ("+49309018200000000", None), ("+4930901820;ext=12345678", None), ("<script>", "US"),
    ],
)  # fmt: skip
def test_unfit_numbers(raw: str, region: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        parse_phone(raw, region)
    assert caught.value.field == "phone_number"


@given(st.text(max_size=80), st.sampled_from(sorted(REGIONS)))
def test_whatever_is_taken_is_e164_and_taken_again(raw: str, region: str) -> None:
    try:
        stored = parse_phone(raw, region)
    except Invalid:
        return
    digits, _, extension = stored.partition(";ext=")
    assert digits[0] == "+"
    assert digits[1:].isascii()
    assert digits[1:].isdigit()
    assert len(stored) <= 32
    assert parse_phone(stored) == stored
    assert not extension or extension.isdigit()


def test_countries() -> None:
    assert region_of("+4930901820") == "DE"
    assert region_of("+14255551212") == "US"
    assert region_of("+80012345678") is None
    assert region_of(None) is None
    assert region_of("nonsense") is None
    assert calling_code("DE") == 49
    assert readable_phone("+14255551212;ext=34") == "+1 425-555-1212 ext. 34"
    assert readable_phone("nonsense") == "nonsense"
