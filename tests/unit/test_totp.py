"""RFC 6238 one-time passwords: vectors, window, and no second use (MF2)."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import time_machine
from sqlalchemy import select, update

from idp.core.crypto import Sealer
from idp.core.errors import Invalid, NotFound, Unavailable
from idp.core.events import Event
from idp.identity.credentials.totp import Totp
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import TotpCredential
from tests.helpers.identity import House

RFC_SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
NOON = 1_750_000_020  # a multiple of 30, so that steps are easy to count


def at(seconds: int) -> time_machine.travel:
    return time_machine.travel(datetime.fromtimestamp(seconds, UTC), tick=False)


# RFC 6238 appendix B, SHA-1, the last six of its eight digits
VECTORS = (
    (59, "287082"), (1111111109, "081804"), (1111111111, "050471"),
    (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130"),
)  # fmt: skip


def test_vectors(house: House) -> None:
    user = house.person()
    for seconds, code in VECTORS:
        house.totp.enrol(user.id, RFC_SEED)
        with at(seconds):
            assert house.totp.verify(user.id, code)
            assert not house.totp.verify(user.id, code)


def test_window(house: House) -> None:
    for offset, accepted in ((-60, False), (-30, True), (0, True), (29, True), (30, True), (60, False)):
        user = house.person(f"user{offset}@example.com")
        generator = pyotp.TOTP(house.totp.enrol(user.id))
        with at(NOON):
            assert house.totp.verify(user.id, generator.at(NOON + offset)) is accepted


def test_mf2_a_step_and_all_before_it_are_used_up(house: House) -> None:
    user = house.person()
    generator = pyotp.TOTP(house.totp.enrol(user.id))
    with at(NOON):
        assert house.totp.verify(user.id, generator.at(NOON))
        assert not house.totp.verify(user.id, generator.at(NOON))
        assert not house.totp.verify(user.id, generator.at(NOON - 30))
    with at(NOON + 30):
        assert not house.totp.verify(user.id, generator.at(NOON))
        assert house.totp.verify(user.id, generator.at(NOON + 30))
    with at(NOON + 60):
        # a neighbour ahead is accepted once, and then the present one no longer
        assert house.totp.verify(user.id, generator.at(NOON + 90))
        assert not house.totp.verify(user.id, generator.at(NOON + 60))


def test_mf2_in_parallel_one_wins(house: House) -> None:
    user = house.person()
    generator = pyotp.TOTP(house.totp.enrol(user.id))
    with at(NOON):
        for step in range(3):
            code = generator.at(NOON + 30 * (step - 1))
            assert sum(house.at_once(6, lambda _: house.totp.verify(user.id, code))) == 1  # noqa: B023


@pytest.mark.parametrize(
    "junk",
    [
        "", "12345", "1234567", "abcdef", "１２３４５６", "12345\0", "-12345", "+12345", "1 2 3",
        "\ud800" * 6, "0" * 10**6, "12345\n", "۱۲۳۴۵۶",
    ],
)  # fmt: skip
def test_junk_is_false_without_a_query(junk: str) -> None:
    # no application context: asking the database would raise
    assert not Totp(Sealer([b"x" * 32]), AuditTrail()).verify("somebody", junk)


def test_spaces_in_a_code_are_forgiven(house: House) -> None:
    user = house.person()
    code = pyotp.TOTP(house.totp.enrol(user.id)).at(NOON)
    with at(NOON):
        assert house.totp.verify(user.id, f" {code[:3]} {code[3:]} ")


def test_enrolment(house: House) -> None:
    user, bob = house.person(), house.person("bob@example.com")
    assert not house.totp.is_enrolled(user.id)
    assert not house.totp.verify(user.id, "123456")
    seed = house.totp.enrol(user.id)
    assert len(seed) == 32  # 160 bits
    assert house.totp.is_enrolled(user.id)
    assert not house.totp.is_enrolled(bob.id)
    with at(NOON):
        assert not house.totp.verify(bob.id, pyotp.TOTP(seed).at(NOON))
    again = house.totp.enrol(user.id)
    assert again != seed
    assert house.count(TotpCredential) == 1
    with at(NOON):
        assert not house.totp.verify(user.id, pyotp.TOTP(seed).at(NOON))
        assert house.totp.verify(user.id, pyotp.TOTP(again).at(NOON))
    assert len(house.events(Event.TOTP_ENROLLED)) == 2
    assert seed not in str(house.audit.tail(100))
    with pytest.raises(NotFound):
        house.totp.enrol("nobody")


def test_unfit_seeds(house: House) -> None:
    user = house.person()
    for seed in ["", "not base32 !", "GEZDGNBV", "A" * 300, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "é" * 32]:
        with pytest.raises(Invalid):
            house.totp.enrol(user.id, seed)
    assert not house.totp.is_enrolled(user.id)


def test_a_seed_may_be_typed_with_spaces_and_in_lower_case(house: House) -> None:
    user = house.person()
    assert house.totp.enrol(user.id, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq") == RFC_SEED


def test_the_seed_is_sealed_to_its_row(house: House) -> None:
    alice, bob = house.person(), house.person("bob@example.com")
    seed = house.totp.enrol(alice.id)
    house.totp.enrol(bob.id)
    with reading() as session:
        sealed = session.execute(
            select(TotpCredential.sealed_seed).where(TotpCredential.user_id == alice.id)
        ).scalar_one()
    assert seed.encode() not in sealed
    with transaction() as session:
        session.execute(update(TotpCredential).where(TotpCredential.user_id == bob.id).values(sealed_seed=sealed))
    with pytest.raises(Unavailable):
        house.totp.verify(bob.id, "123456")
    with pytest.raises(Unavailable):
        Totp(Sealer([b"x" * 32]), house.audit).verify(alice.id, "123456")


def test_provisioning_uri() -> None:
    uri = urlsplit(Totp.provisioning_uri(RFC_SEED, "alice+1@example.com", "Meridian & Söhne"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    query = parse_qs(uri.query)
    assert query["secret"] == [RFC_SEED]
    assert query["issuer"] == ["Meridian & Söhne"]
