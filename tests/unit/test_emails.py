"""E-mail addresses: one canonical form (LG2), nothing that could break a header or a query (RS8)."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp.core.errors import Invalid
from idp.identity.directory.emails import canonical_email, parse_email


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("alice@example.com", "alice@example.com"),
        ("  Alice@Example.COM ", "alice@example.com"),
        ("ALICE@EXAMPLE.COM", "alice@example.com"),
        ("\uff21lice@example.com", "alice@example.com"),  # fullwidth letter
        ("alice\uff20example.com", "alice@example.com"),  # fullwidth at sign
        ("alice@example\u3002com", "alice@example.com"),  # ideographic full stop
        ("\u212aim@example.com", "kim@example.com"),  # Kelvin sign
        ("\ufb01nn@example.com", "finn@example.com"),  # ligature
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("straße@example.com", "strasse@example.com"),
        ("o'brien+tag@example.co.uk", "o'brien+tag@example.co.uk"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@faß.de", "a@xn--fa-hia.de"),  # another domain than fass.de (IDNA 2008)
        ("dev@localhost", "dev@localhost"),
    ],
)
def test_canonical_form(raw: str, canonical: str) -> None:
    assert canonical_email(raw) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        "", "@", "a@", "@b.example", "alice", "a@b@c.example", "a b@example.com", "a@exa mple.com", "a@gmail",
        ".a@example.com", "a.@example.com", "a..b@example.com", '"a"@example.com', "a@-b.example",
        "a@b-.example", "a@.example", "a@example..com", "a@example.com.", "a@127.0.0.1",
        "a@[127.0.0.1]", "a@example.123",
        "alice@example.com\r\nBcc: eve@evil.example", "alice\n@example.com", "alice@example.com\n",
        "al\0ice@example.com", "alice@exam\0ple.com", "\ud800@example.com", "a@\udfff.example",
        "al\u202eice@example.com", "al\u200bice@example.com", "al\u00a0ice@example.com", "a\tb@example.com",
        "Alice <alice@example.com>", "alice@example.com,eve@evil.example", "a(b)@example.com",
        "a:b@example.com", "a@exam_ple.com", "a@xn--zzzzzzzzzz99999.example", "x" * 65 + "@example.com",
        "é" * 33 + "@example.com", "a@" + "b" * 64 + ".example",
        "a" * 60 + "@" + ".".join(["b" * 60] * 4) + ".example", "a" * 1_000_000,
    ],
)  # fmt: skip
def test_refused(raw: str) -> None:
    with pytest.raises(Invalid) as caught:
        canonical_email(raw)
    assert caught.value.field == "email"
    assert not raw or raw[:40] not in str(caught.value) or len(raw) < 3


def test_the_address_keeps_its_case_for_display() -> None:
    parsed = parse_email("Alice.O'Neil@BÜCHER.example")
    assert parsed.address == "Alice.O'Neil@bücher.example"
    assert parsed.canonical == "alice.o'neil@xn--bcher-kva.example"


@given(st.text(max_size=40), st.sampled_from(["example.com", "bücher.example", "Ⅷ.example"]))
@example("\u1e9e\u0345\u03b1", "example.com")
@example("\u0345\u0308\u1fb3", "example.com")
def test_canonical_is_idempotent_and_harmless(local: str, domain: str) -> None:
    try:
        canonical = canonical_email(f"{local}@{domain}")
    except Invalid:
        return
    assert canonical_email(canonical) == canonical
    assert canonical.count("@") == 1
    assert canonical.isprintable()
    assert not any(character.isspace() for character in canonical)
    assert len(canonical.encode()) <= 254


@given(st.text())
def test_any_text_is_an_address_or_invalid(raw: str) -> None:
    with contextlib.suppress(Invalid):
        assert canonical_email(raw)
