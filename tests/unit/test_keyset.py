"""Signing keys: their life (KY3: published before they sign, kept while they verify), sealing, and races."""

import json
import sqlite3
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from joserfc.jwk import JWKRegistry
from sqlalchemy import delete, select, update

from idp.core.clock import now
from idp.core.crypto import Sealer, SealError
from idp.core.errors import ConfigurationError, Conflict, NotFound, Unavailable
from idp.core.events import Event
from idp.core.settings import Settings
from idp.services.audit import AuditTrail
from idp.services.keys import keyset as keyset_module
from idp.services.keys import rotation as rotation_module
from idp.services.keys.jws import InvalidToken, sign_jwt, verify_jwt
from idp.services.keys.keyset import Keyset
from idp.services.keys.rotation import KeyInfo, Rotation, sealing_place
from idp.services.keys.signer import GeneratedKey, generate_key, load_private_key
from idp.storage.db import reading, transaction
from idp.storage.tables import SigningKeyRow
from idp.storage.versions import bump
from tests.helpers.database import application_context, processes

KEK = b"k" * 32
ISSUER = "https://id.example"
HOUR = 3600
DAY = 86400
ALL = ("RS256", "PS256", "ES256", "EdDSA")

SIGNING_ONLY: dict[str, Any] = {"encryption_algorithms": ()}
FAST: dict[str, Any] = {"keys": {"algorithms": ("RS256", "ES256", "EdDSA")} | SIGNING_ONLY}


@pytest.fixture
def settings(app: Flask) -> Settings:
    return Settings(**FAST)


@pytest.fixture
def rotation(settings: Settings) -> Rotation:
    rotation = Rotation(settings, Sealer([KEK]))
    rotation.ensure()
    return rotation


@pytest.fixture
def keyset(settings: Settings, rotation: Rotation) -> Keyset:
    keyset = Keyset(settings, Sealer([KEK]))
    keyset.ensure()
    return keyset


def states(rotation: Rotation, alg: str = "ES256") -> dict[str, list[str]]:
    """State → kids, of one algorithm."""
    found: dict[str, list[str]] = {}
    for key in rotation.list_keys():
        if key.alg == alg:
            found.setdefault(key.state, []).append(key.kid)
    return found


def published(keyset: Keyset) -> set[str]:
    keyset.reload()
    return {jwk["kid"] for jwk in keyset.jwks_document()["keys"]}


def token(keyset: Keyset, alg: str = "ES256") -> str:
    moment = int(now().timestamp())
    claims = {"iss": ISSUER, "aud": "api", "iat": moment, "exp": moment + DAY}
    return sign_jwt(keyset.signer(alg), claims, "at+jwt")


def is_believed(keyset: Keyset, text: str) -> bool:
    try:
        verify_jwt(keyset.verification_keys(), text, typ="at+jwt", issuer=ISSUER, audience="api")
    except InvalidToken:
        return False
    return True


def events() -> Counter[str]:
    return Counter(record.event for record in AuditTrail().tail(500))


class TestEnsure:
    def test_each_algorithm_gets_an_active_and_a_next_key(self, app: Flask) -> None:
        keyset = Keyset(Settings(), Sealer([KEK]))
        keyset.ensure()
        with reading() as session:
            rows = session.execute(select(SigningKeyRow.alg, SigningKeyRow.state)).all()
        signing = [(alg, state) for alg in ALL for state in ("active", "next")]
        # Nobody has to be told of a key to encrypt to before it is used.
        assert sorted(map(tuple, rows)) == sorted([*signing, ("RSA-OAEP-256", "active"), ("ECDH-ES", "active")])
        for alg in ALL:
            assert keyset.signer(alg).alg == alg
            assert is_believed(keyset, token(keyset, alg))
        assert events() == {Event.KEY_CREATED: 10, Event.KEY_ACTIVATED: 6}

    def test_again_changes_nothing(self, rotation: Rotation, keyset: Keyset) -> None:
        before, version, remembered = rotation.list_keys(), keyset.version, events()
        assert rotation.ensure() is False
        keyset.ensure()
        assert (rotation.list_keys(), keyset.version, events()) == (before, version, remembered)

    def test_an_algorithm_configured_later_is_added(self, rotation: Rotation, settings: Settings) -> None:
        before = {key.kid for key in rotation.list_keys()}
        more = Rotation(Settings(keys={"algorithms": ALL} | SIGNING_ONLY), Sealer([KEK]))
        assert more.ensure() is True
        assert [key.alg for key in more.list_keys() if key.kid not in before] == ["PS256", "PS256"]

    def test_rsa_keys_have_the_configured_size(self, app: Flask) -> None:
        settings = Settings(keys={"algorithms": ("RS256",), "rsa_bits": 3072})
        Keyset(settings, Sealer([KEK])).ensure()
        with reading() as session:
            for jwk in session.execute(select(SigningKeyRow.public_jwk)).scalars():
                if jwk["kty"] == "RSA":
                    assert JWKRegistry.import_key(jwk).raw_value.key_size == 3072


class TestRotation:
    def test_next_signs_active_retires_and_a_new_next_is_published(self, rotation: Rotation, keyset: Keyset) -> None:
        before = states(rotation)
        old_token, bystander = token(keyset), states(rotation, "RS256")
        with time_machine.travel(now() + timedelta(hours=1), tick=False):
            (active,) = rotation.rotate("ES256")
            after = states(rotation)
            keyset.reload()
            new_token = token(keyset)
        assert after["active"] == before["next"] == [active.kid]
        assert after["retiring"] == before["active"]
        assert after["next"] not in before.values()
        assert keyset.signer("ES256").kid == active.kid
        assert is_believed(keyset, old_token)
        assert states(rotation, "RS256") == bystander
        with time_machine.travel(now() + timedelta(hours=1), tick=False):
            assert is_believed(keyset, new_token)

    def test_ky3_a_key_does_not_sign_before_it_was_published_long_enough(
        self, rotation: Rotation, keyset: Keyset
    ) -> None:
        before, version = rotation.list_keys(), keyset.version
        for alg in ("ES256", None):
            with (
                time_machine.travel(now() + timedelta(seconds=HOUR - 10), tick=False),
                pytest.raises(Conflict, match="must not sign before"),
            ):
                rotation.rotate(alg)  # type: ignore[arg-type]
        keyset.reload()
        assert (rotation.list_keys(), keyset.version) == (before, version)
        with time_machine.travel(now() + timedelta(seconds=HOUR), tick=False):
            assert len(rotation.rotate()) == 3

    def test_ky3_nothing_that_was_never_published_follows(self, rotation: Rotation) -> None:
        with transaction() as session:
            session.execute(delete(SigningKeyRow).where(SigningKeyRow.state == "next"))
        before = rotation.list_keys()
        with pytest.raises(Conflict, match="no ES256 key has been published"):
            rotation.rotate("ES256")
        assert rotation.list_keys() == before
        rotation.ensure()
        assert len(states(rotation)["next"]) == 1

    def test_ky3_every_signing_key_was_in_the_jwks_before(self, rotation: Rotation, keyset: Keyset) -> None:
        """Through half a year of maintenance, no token is ever signed by a key that was not published an hour ago."""
        seen: dict[str, float] = {}
        with time_machine.travel(now(), tick=False) as clock:
            start = now()
            for _ in range(190):
                clock.shift(timedelta(days=1, minutes=1))
                rotation.maintain()
                for kid in published(keyset):
                    seen.setdefault(kid, now().timestamp())
                kid = keyset.signer("ES256").kid
                first_ever = (now() - start).days < 90
                assert first_ever or seen[kid] <= now().timestamp() - HOUR
        assert len(states(rotation)["retired"]) == 2

    def test_ky3_a_retiring_key_stays_until_its_last_token_has_expired(
        self, rotation: Rotation, keyset: Keyset
    ) -> None:
        (kid,) = states(rotation)["active"]
        with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
            last = token(keyset)  # lives for a day, as a resource server may ask
            rotation.rotate("ES256")
            clock.shift(DAY - 1)
            rotation.maintain()
            assert kid in published(keyset)
            assert is_believed(keyset, last)
            clock.shift(HOUR)
            assert rotation.maintain() is True
            assert kid not in published(keyset)
            assert states(rotation)["retired"] == [kid]

    def test_retirement_destroys_the_private_key(self, rotation: Rotation) -> None:
        (kid,) = states(rotation)["active"]
        rotation.rotate("ES256", force=True)
        with time_machine.travel(now() + timedelta(days=2)):
            rotation.maintain()
        with reading() as session:
            row = session.execute(select(SigningKeyRow.__table__).where(SigningKeyRow.kid == kid)).one()
        assert row.state == "retired"
        assert row.retired_at is not None
        assert row.sealed_private_key is None

    def test_force_does_not_wait(self, rotation: Rotation) -> None:
        for _ in range(3):
            rotation.rotate("ES256", force=True)
        assert {state: len(kids) for state, kids in states(rotation).items()} == {
            "active": 1, "next": 1, "retiring": 3,
        }  # fmt: skip

    def test_an_algorithm_that_is_not_configured(self, rotation: Rotation) -> None:
        with pytest.raises(NotFound):
            rotation.rotate("PS256")

    def test_every_change_is_audited_and_counted(self, rotation: Rotation, keyset: Keyset) -> None:
        before, version = events(), keyset.version
        rotation.rotate("EdDSA", force=True, actor="user:admin")
        keyset.reload()
        assert keyset.version == version + 1
        assert events() - before == {Event.KEY_RETIRING: 1, Event.KEY_ACTIVATED: 1, Event.KEY_CREATED: 1}
        records = AuditTrail().tail(3)
        assert {record.actor for record in records} == {"user:admin"}
        assert {record.details["alg"] for record in records} == {"EdDSA"}
        current = states(rotation, "EdDSA")
        assert {record.event: [record.details["kid"]] for record in records} == {
            Event.KEY_RETIRING: current["retiring"],
            Event.KEY_ACTIVATED: current["active"],
            Event.KEY_CREATED: current["next"],
        }

    def test_without_its_audit_row_nothing_changes(self, rotation: Rotation, monkeypatch: Any) -> None:
        before = rotation.list_keys()

        def fail(*_: Any, **__: Any) -> None:
            raise Unavailable("the trail is full")

        monkeypatch.setattr(AuditTrail, "record", fail)
        with pytest.raises(Unavailable):
            rotation.rotate("ES256", force=True)
        assert rotation.list_keys() == before


class TestRetire:
    def test_a_leaked_active_key_is_gone_at_once(self, rotation: Rotation, keyset: Keyset) -> None:
        (leaked,) = states(rotation)["active"]
        (following,) = states(rotation)["next"]
        forged = token(keyset)
        rotation.retire(leaked)
        keyset.reload()
        assert not is_believed(keyset, forged)
        assert leaked not in published(keyset)
        assert keyset.signer("ES256").kid == following
        assert is_believed(keyset, token(keyset))
        after = states(rotation)
        assert (after["active"], after["retired"], len(after["next"])) == ([following], [leaked], 1)

    def test_a_next_key_is_replaced(self, rotation: Rotation) -> None:
        before = states(rotation)
        rotation.retire(before["next"][0])
        after = states(rotation)
        assert after["active"] == before["active"]
        assert after["retired"] == before["next"]
        assert len(after["next"]) == 1

    def test_a_key_of_an_algorithm_no_longer_configured_is_not_replaced(self, rotation: Rotation) -> None:
        fewer = Rotation(Settings(keys={"algorithms": ("RS256",)} | SIGNING_ONLY), Sealer([KEK]))
        for kid in states(rotation)["active"] + states(rotation)["next"]:
            fewer.retire(kid)
        assert set(states(rotation)) == {"retired"}
        assert fewer.maintain() is False

    def test_unknown_and_retired_keys(self, rotation: Rotation) -> None:
        with pytest.raises(NotFound):
            rotation.retire("unknown")
        (kid,) = states(rotation)["active"]
        rotation.retire(kid)
        with pytest.raises(Conflict):
            rotation.retire(kid)


class TestMaintain:
    def test_nothing_due_changes_nothing(self, rotation: Rotation, keyset: Keyset) -> None:
        version = keyset.version
        assert rotation.maintain() is False
        keyset.reload()
        assert keyset.version == version

    def test_it_rotates_when_the_period_is_over(self, rotation: Rotation) -> None:
        before = states(rotation)
        moment = now() + timedelta(days=90)
        assert rotation.maintain(moment - timedelta(minutes=1)) is False
        assert rotation.maintain(moment) is True
        assert states(rotation)["active"] == before["next"]
        assert rotation.maintain(moment) is False

    def test_the_period_can_be_switched_off(self, rotation: Rotation) -> None:
        never = Rotation(Settings(keys=FAST["keys"] | {"rotate_every": 0}), Sealer([KEK]))
        assert never.maintain(now() + timedelta(days=9999)) is False

    def test_it_waits_for_the_next_key_to_be_ripe(self, rotation: Rotation) -> None:
        rotation.retire(states(rotation)["next"][0])
        eager = Rotation(Settings(keys=FAST["keys"] | {"rotate_every": 1}), Sealer([KEK]))
        assert eager.maintain(now() + timedelta(minutes=30)) is False
        assert eager.maintain(now() + timedelta(minutes=61)) is True


class TestPublication:
    def test_the_jwks_shows_public_members_only(self, keyset: Keyset) -> None:
        kinds = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
        for jwk in keyset.jwks_document()["keys"]:
            assert set(jwk) == {"kty", "use", "alg", "kid"} | kinds[jwk["kty"]]
            assert jwk["use"] == "sig"
            assert jwk["kid"] == JWKRegistry.import_key(dict(jwk)).thumbprint()
        kids = [jwk["kid"] for jwk in keyset.jwks_document()["keys"]]
        assert len(kids) == len(set(kids)) == 6

    def test_a_private_member_in_the_row_would_not_be_published(self, rotation: Rotation, keyset: Keyset) -> None:
        with transaction() as session:
            for row in session.execute(select(SigningKeyRow.kid, SigningKeyRow.public_jwk)).all():
                leaky = row.public_jwk | {"d": "SECRET", "p": "SECRET", "k": "SECRET"}
                session.execute(update(SigningKeyRow).where(SigningKeyRow.kid == row.kid).values(public_jwk=leaky))
        keyset.reload()
        assert "SECRET" not in json.dumps(keyset.jwks_document())

    def test_the_document_order_is_stable(self, keyset: Keyset, settings: Settings) -> None:
        other = Keyset(settings, Sealer([KEK]))
        assert other.jwks_document() == keyset.jwks_document()
        assert other.version == keyset.version


class TestAtRest:
    def private_parts(self, monkeypatch: Any) -> list[GeneratedKey]:
        made: list[GeneratedKey] = []

        def remember(*arguments: Any) -> GeneratedKey:
            made.append(generate_key(*arguments))
            return made[-1]

        monkeypatch.setattr(rotation_module, "generate_key", remember)
        return made

    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    def test_no_plaintext_key_is_in_the_database_files(self, url: str, app: Flask, monkeypatch: Any) -> None:
        made = self.private_parts(monkeypatch)
        rotation = Rotation(Settings(), Sealer([KEK]))
        rotation.ensure()
        rotation.rotate(force=True)
        database = Path(url.removeprefix("sqlite:///"))
        files = b"".join(path.read_bytes() for path in database.parent.glob("idp.db*"))
        with sqlite3.connect(database) as connection:
            dump = "\n".join(connection.iterdump()).encode()
        connection.close()
        assert len(made) == 16
        assert made[0].kid.encode() in files
        for pair in made:
            private = load_private_key(pair.private_key)
            secrets = [pair.private_key[-64:], pair.private_key[40:100]]
            numbers = getattr(private, "private_numbers", None)
            if numbers is not None:
                for name in ("d", "p", "q", "private_value"):
                    value = getattr(numbers(), name, None)
                    if value is not None:
                        secrets.append(value.to_bytes((value.bit_length() + 7) // 8))
            for secret in secrets:
                assert secret not in files
                assert secret not in dump
                assert secret.hex().encode() not in dump.lower()
        for marker in (b"PRIVATE KEY", b'"d"'):
            assert marker not in files

    def test_a_sealed_key_opens_only_in_its_row(self, rotation: Rotation) -> None:
        with reading() as session:
            rows = session.execute(select(SigningKeyRow.__table__)).all()
        for row in rows:
            assert row.sealed_private_key is not None
            assert Sealer([KEK]).open(row.sealed_private_key, sealing_place(row.kid))
            with pytest.raises(SealError):
                Sealer([KEK]).open(row.sealed_private_key, sealing_place("another"))

    def test_without_its_kek_the_server_does_not_start(self, rotation: Rotation, settings: Settings) -> None:
        stranger = Keyset(settings, Sealer([b"x" * 32]))
        with pytest.raises(ConfigurationError, match="does not open"):
            stranger.ensure()
        # Verifying needs no private key.
        assert len(stranger.jwks_document()["keys"]) == 6

    def test_the_kek_can_be_replaced(self, rotation: Rotation, settings: Settings) -> None:
        both = Sealer([b"n" * 32, KEK])
        Keyset(settings, both).ensure()
        Rotation(settings, both).rotate(force=True)
        Rotation(settings, both).rotate(force=True)
        Keyset(settings, Sealer([b"n" * 32])).ensure()


class TestCache:
    def test_nothing_is_read_twice(self, keyset: Keyset, monkeypatch: Any) -> None:
        loads = Counter[str]()

        def load(der: bytes) -> Any:
            loads["private"] += 1
            return load_private_key(der)

        monkeypatch.setattr(keyset_module, "load_private_key", load)
        monkeypatch.setattr(keyset_module, "_VERSION", "no second look")
        first = [keyset.signer(alg) for alg in ("RS256", "ES256", "EdDSA")]
        for _ in range(50):
            assert [keyset.signer(alg) for alg in ("RS256", "ES256", "EdDSA")] == first
            assert keyset.verification_keys() is keyset.verification_keys()
            assert keyset.jwks_document() is keyset.jwks_document()
        assert loads == {}

    def test_keys_survive_a_reload_without_being_loaded_again(self, keyset: Keyset, rotation: Rotation) -> None:
        rsa = keyset.signer("RS256")
        rotation.rotate("ES256", force=True)
        keyset.reload()
        assert keyset.signer("RS256") is rsa

    def test_another_process_notices_a_rotation_within_seconds(
        self, keyset: Keyset, rotation: Rotation, settings: Settings
    ) -> None:
        other = Keyset(settings, Sealer([KEK]))
        old = other.signer("ES256").kid
        (active,) = rotation.rotate("ES256", force=True)
        other._watch._next_read = 0.0  # two seconds later
        assert other.signer("ES256").kid == active.kid != old

    def test_a_retired_key_leaves_memory(self, keyset: Keyset, rotation: Rotation) -> None:
        kid = keyset.signer("ES256").kid
        rotation.retire(kid)
        keyset.reload()
        assert kid not in keyset._signers

    def test_while_the_database_is_down_the_last_keys_serve(
        self, keyset: Keyset, rotation: Rotation, monkeypatch: Any
    ) -> None:
        document, text = keyset.jwks_document(), token(keyset)
        rotation.rotate("ES256", force=True)

        def down(self: Keyset) -> None:
            raise Unavailable("the database is not available")

        load = Keyset._load
        monkeypatch.setattr(Keyset, "_load", down)
        keyset._watch._next_read = 0.0
        for _ in range(3):
            assert keyset.jwks_document() == document
            assert is_believed(keyset, text)
        with pytest.raises(Unavailable):
            Keyset(Settings(**FAST), Sealer([KEK])).jwks_document()
        monkeypatch.setattr(Keyset, "_load", load)
        keyset._retry_at = 0.0  # two seconds later
        assert len(keyset.jwks_document()["keys"]) == len(document["keys"]) + 1

    def test_an_algorithm_without_a_key(self, keyset: Keyset) -> None:
        with pytest.raises(Unavailable, match="no active PS256"):
            keyset.signer("PS256")

    def test_a_bump_alone_is_harmless(self, keyset: Keyset) -> None:
        signer = keyset.signer("ES256")
        with transaction() as session:
            bump(session, "keys")
        keyset._watch._next_read = 0.0
        assert keyset.signer("ES256") is signer

    def test_many_threads_may_ask_at_once(self, app: Flask, settings: Settings, rotation: Rotation) -> None:
        fresh = Keyset(settings, Sealer([KEK]))
        found: list[object] = []

        def ask() -> None:
            with app.app_context():
                for _ in range(5):
                    found.append(fresh.signer("RS256"))
                    fresh._watch._next_read = 0.0

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(found) == 40
        assert len(set(map(id, found))) == 1


# Several processes at once: never two active or two next keys of one algorithm.


def change_keys(url: str, deed: str) -> None:
    with application_context(url):
        rotation = Rotation(Settings(**FAST), Sealer([KEK]))
        if deed == "ensure":
            rotation.ensure()
        elif deed == "maintain":
            rotation.maintain(now() + timedelta(days=91))
        else:
            rotation.rotate(force=True)


def one_of_each(keys: tuple[KeyInfo, ...]) -> bool:
    held = Counter((key.alg, key.state) for key in keys if key.state in ("active", "next"))
    return held == {(alg, state): 1 for alg in FAST["keys"]["algorithms"] for state in ("active", "next")}


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["ensure", "rotate", "maintain"])
def test_processes_that_change_keys_at_once_take_turns(url: str, app: Flask, deed: str) -> None:
    rotation = Rotation(Settings(**FAST), Sealer([KEK]))
    if deed != "ensure":
        rotation.ensure()
    with processes(4) as pool:
        for job in [pool.submit(change_keys, url, deed) for _ in range(4)]:
            job.result(timeout=60)
    keys = rotation.list_keys()
    assert one_of_each(keys)
    turns = {"ensure": 0, "rotate": 4, "maintain": 1}[deed]
    assert sum(key.state == "retiring" for key in keys) == 3 * turns
    assert events()[Event.KEY_CREATED] == len(keys) == 3 * (2 + turns)
    keyset = Keyset(Settings(**FAST), Sealer([KEK]))
    keyset.ensure()
    assert all(is_believed(keyset, token(keyset, alg)) for alg in FAST["keys"]["algorithms"])


def test_threads_that_bootstrap_at_once_take_turns(app: Flask) -> None:
    barrier, errors = threading.Barrier(4), []

    def start() -> None:
        with app.app_context():
            try:
                barrier.wait()
                Keyset(Settings(**FAST), Sealer([KEK])).ensure()
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert one_of_each(Rotation(Settings(**FAST), Sealer([KEK])).list_keys())


class TestHints:
    def test_a_key_that_retired_in_good_order_still_verifies_hints(self, rotation: Rotation, keyset: Keyset) -> None:
        (kid,) = [key.kid for key in rotation.list_keys() if key.state == "active" and key.alg == "ES256"]
        rotation.rotate("ES256", force=True)
        with time_machine.travel(now() + timedelta(days=2)):
            rotation.maintain()
        keyset.reload()
        assert kid not in {key.kid for key in keyset.verification_keys().keys}
        assert kid in {key.kid for key in keyset.hint_keys().keys}

    def test_a_withdrawn_key_verifies_nothing(self, rotation: Rotation, keyset: Keyset) -> None:
        (kid,) = [key.kid for key in rotation.list_keys() if key.state == "active" and key.alg == "ES256"]
        rotation.retire(kid)
        keyset.reload()
        assert kid not in {key.kid for key in keyset.hint_keys().keys}

    def test_a_key_withdrawn_while_retiring_verifies_nothing(self, rotation: Rotation, keyset: Keyset) -> None:
        (kid,) = [key.kid for key in rotation.list_keys() if key.state == "active" and key.alg == "ES256"]
        rotation.rotate("ES256", force=True)
        rotation.retire(kid)
        keyset.reload()
        assert kid not in {key.kid for key in keyset.hint_keys().keys}
