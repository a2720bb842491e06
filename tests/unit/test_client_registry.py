"""The client registry: creation, secrets, changes, and the cache that every request goes through."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select, update

from idp.core.crypto import Sealer, SealError, SecretRing
from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.settings import load_settings
from idp.identity.clients.record_cache import RecordCache
from idp.identity.clients.registry import ClientRegistry
from idp.identity.clients.secrets import secrets_in_clear, verify_secret
from idp.services.audit import AuditTrail
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine, reading, transaction
from idp.storage.tables import ClientRow, ClientSecret, ConfigurationVersion
from tests.helpers.backends import fresh_backend

WEB = {"redirect_uris": ["https://app.example/cb"], "client_name": "App"}
PUBLIC = WEB | {"token_endpoint_auth_method": "none"}
MAC = WEB | {"token_endpoint_auth_method": "client_secret_jwt"}
RING = SecretRing(["s" * 32])
SEALER = Sealer([b"k" * 32])


@pytest.fixture(scope="module")
def database(backend_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application with the tables on each kind of database."""
    with fresh_backend(backend_name, tmp_path_factory.mktemp("database")) as backend:
        settings = load_settings({}, database_url=backend.database_url)
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = database_url(settings)
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
        db.init_app(app)
        with app.app_context():
            prepare_engine(db.engine)
            Base.metadata.create_all(db.engine)
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(database: Flask) -> Iterator[Flask]:
    """An application context on empty tables."""
    with database.app_context():
        with transaction() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
        yield database
        db.session.remove()


def make_registry(**options: Any) -> ClientRegistry:
    """A registry as another process would have it: with a cache of its own."""
    return ClientRegistry(RING, SEALER, AuditTrail(), **options)


@pytest.fixture
def registry(app: Flask) -> ClientRegistry:
    return make_registry()


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """Every SQL statement since the fixture was set up, but for the watched version."""
    seen: list[str] = []

    def remember(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "configuration_versions" not in statement and not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", remember)
    yield seen
    event.remove(db.engine, "before_cursor_execute", remember)


def version() -> int:
    with reading() as session:
        query = select(ConfigurationVersion.version).where(ConfigurationVersion.name == "clients")
        return session.execute(query).scalar() or 0


def events() -> list[str]:
    return [record.event for record in reversed(AuditTrail().tail())]


def roll_back(change: Callable[[], object]) -> None:
    """Make a change that is undone at the end of its transaction."""

    def undone() -> None:
        with transaction():
            change()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()


class TestCreation:
    def test_a_confidential_client_gets_a_256_bit_secret_once(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(WEB)
        assert secret is not None
        assert len(secret) == 43
        assert verify_secret(client, secret)
        assert registry.get(client.client_id) is not None
        assert client.name == "App"
        assert client.is_enabled
        assert client.require_pkce
        assert not client.skip_consent

    def test_the_secret_is_stored_as_a_keyed_hash_only(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(WEB)
        with reading() as session:
            row = session.execute(select(ClientSecret.keyed_hash, ClientSecret.sealed_secret)).one()
        assert row.keyed_hash == RING.keyed_hash("client-secret", str(secret))
        assert row.sealed_secret is None
        assert str(secret) not in repr(client)
        assert row.keyed_hash not in repr(client)

    def test_a_public_client_has_no_secret_and_always_pkce(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(PUBLIC, require_pkce=False)
        assert secret is None
        assert client.secrets == ()
        assert client.is_public
        assert client.require_pkce
        assert not verify_secret(client, "")

    def test_identifier_and_secret_may_be_given(self, registry: ClientRegistry) -> None:
        given = "demo-web-secret-0123456789abcdef"
        client, secret = registry.create(WEB, client_id="demo-web", secret=given, require_pkce=False)
        assert (client.client_id, secret) == ("demo-web", given)
        assert not client.require_pkce

    @pytest.mark.parametrize("secret", ["", "short", "x" * 31, "x" * 513, "ü" * 40, "x" * 40 + "\n", " " * 40])
    def test_a_poor_secret_is_refused(self, registry: ClientRegistry, secret: str) -> None:
        with pytest.raises(Invalid) as refused:
            registry.create(WEB, secret=secret)
        assert refused.value.field == "client_secret"

    def test_a_secret_for_a_public_client_is_refused(self, registry: ClientRegistry) -> None:
        with pytest.raises(Invalid):
            registry.create(PUBLIC, secret="x" * 40)

    @pytest.mark.parametrize("client_id", ["", "a b", "ä", "a\x00", "a\n", 'a"b', "x" * 256, "a+b", "a%20b"])
    def test_a_poor_identifier_is_refused(self, registry: ClientRegistry, client_id: str) -> None:
        with pytest.raises(Invalid) as refused:
            registry.create(WEB, client_id=client_id)
        assert refused.value.field == "client_id"

    def test_a_taken_identifier_is_a_conflict_and_changes_nothing(self, registry: ClientRegistry) -> None:
        registry.create(WEB, client_id="a")
        with pytest.raises(Conflict):
            registry.create(PUBLIC, client_id="a")
        client = registry.get("a")
        assert client is not None
        assert not client.is_public
        assert events() == ["client:created"]

    def test_metadata_comes_back_as_registered(self, registry: ClientRegistry) -> None:
        metadata = WEB | {
            "client_name#de": "Anwendung",
            "scope": "openid email",
            "default_max_age": 0,
            "contacts": ["ops@app.example"],
            "resources": ["https://api.example"],
        }
        created, _ = registry.create(metadata)
        stored = make_registry().get(created.client_id)
        assert stored is not None
        assert stored.metadata == created.metadata
        assert stored.metadata.default_max_age == 0
        assert stored.scopes == {"openid", "email"}
        assert stored.allows_resource("https://api.example/")
        assert not stored.allows_resource("https://other.example")
        assert stored.text("client_name", "de-AT") == "Anwendung"
        assert stored.text("client_name", "fr") == "App"


class TestSecrets:
    def test_verify_refuses_what_is_not_the_secret(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(WEB)
        for wrong in ("", "x", f"{secret} ", str(secret)[:-1], "ü", "\ud800", "\x00"):
            assert not verify_secret(client, wrong)

    def test_rotation_keeps_the_old_secret_for_a_while(self, app: Flask) -> None:
        with time_machine.travel(1_800_000_000, tick=False) as travel:
            registry = make_registry()
            client, old = registry.create(WEB)
            new = registry.rotate_secret(client.client_id, keep_old_for=60)
            rotated = registry.get(client.client_id)
            assert rotated is not None
            assert verify_secret(rotated, new)
            assert verify_secret(rotated, str(old))
            travel.shift(60)
            assert verify_secret(rotated, new)
            assert not verify_secret(rotated, str(old))

    def test_rotation_without_grace_ends_the_old_secret_now(self, registry: ClientRegistry) -> None:
        client, old = registry.create(WEB)
        new = registry.rotate_secret(client.client_id)
        rotated = registry.get(client.client_id)
        assert rotated is not None
        assert len(rotated.secrets) == 1
        assert verify_secret(rotated, new)
        assert not verify_secret(rotated, str(old))

    def test_a_later_rotation_never_prolongs_a_secret(self, app: Flask) -> None:
        with time_machine.travel(1_800_000_000, tick=False) as travel:
            registry = make_registry()
            client, old = registry.create(WEB)
            registry.rotate_secret(client.client_id, keep_old_for=60)
            registry.rotate_secret(client.client_id, keep_old_for=3600)
            travel.shift(61)
            rotated = registry.get(client.client_id)
            assert rotated is not None
            assert not verify_secret(rotated, str(old))

    def test_the_number_of_secrets_is_bounded(self, registry: ClientRegistry) -> None:
        client, _ = registry.create(WEB)
        made = [registry.rotate_secret(client.client_id, keep_old_for=3600) for _ in range(9)]
        rotated = registry.get(client.client_id)
        assert rotated is not None
        assert [verify_secret(rotated, secret) for secret in made] == [False] * 4 + [True] * 5

    def test_a_public_client_has_nothing_to_rotate(self, registry: ClientRegistry) -> None:
        client, _ = registry.create(PUBLIC)
        with pytest.raises(Invalid):
            registry.rotate_secret(client.client_id)
        with pytest.raises(NotFound):
            registry.rotate_secret("nobody")
        with pytest.raises(Invalid):
            registry.rotate_secret(client.client_id, keep_old_for=-1)

    @pytest.mark.parametrize(("alg", "octets"), [(None, 32), ("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_client_secret_jwt_can_read_its_secrets(
        self, registry: ClientRegistry, alg: str | None, octets: int
    ) -> None:
        client, first = registry.create(MAC | {"token_endpoint_auth_signing_alg": alg})
        second = registry.rotate_secret(client.client_id, keep_old_for=60)
        rotated = registry.get(client.client_id)
        assert rotated is not None
        assert secrets_in_clear(rotated) == [second, first]
        assert len(second) >= octets
        assert verify_secret(rotated, second)

    def test_other_clients_have_no_readable_secret(self, registry: ClientRegistry) -> None:
        assert secrets_in_clear(registry.create(WEB)[0]) == []
        assert secrets_in_clear(registry.create(PUBLIC)[0]) == []

    def test_a_sealed_secret_moved_to_another_row_does_not_open(self, registry: ClientRegistry) -> None:
        victim, _ = registry.create(MAC)
        thief, _ = registry.create(MAC)
        with transaction() as session:
            stolen = victim.secrets[0].sealed_secret
            session.execute(
                update(ClientSecret).where(ClientSecret.client_id == thief.client_id).values(sealed_secret=stolen)
            )
        moved = make_registry().get(thief.client_id)
        assert moved is not None
        with pytest.raises(SealError):
            secrets_in_clear(moved)

    def test_a_predecessor_of_the_secret_key_still_verifies(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(WEB)
        later = ClientRegistry(SecretRing(["n" * 32, "s" * 32]), SEALER, AuditTrail()).get(client.client_id)
        gone = ClientRegistry(SecretRing(["n" * 32]), SEALER, AuditTrail()).get(client.client_id)
        assert later is not None
        assert gone is not None
        assert verify_secret(later, str(secret))
        assert not verify_secret(gone, str(secret))


class TestChanges:
    def test_update_replaces_the_metadata(self, registry: ClientRegistry) -> None:
        client, secret = registry.create(WEB | {"scope": "openid"})
        updated, new = registry.update(client.client_id, WEB | {"client_name": "Renamed"}, skip_consent=True)
        assert new is None
        assert updated.name == "Renamed"
        assert updated.scopes is None
        assert updated.skip_consent
        assert verify_secret(updated, str(secret))
        assert registry.get(client.client_id).name == "Renamed"  # type: ignore[union-attr]
        details = AuditTrail().tail(1)[0].details
        assert details == {"changes": ["client_name", "scope", "skip_consent"]}

    def test_switches_alone_leave_the_metadata(self, registry: ClientRegistry) -> None:
        client, _ = registry.create(WEB)
        updated, _ = registry.update(client.client_id, rotate_refresh_tokens=False, require_pkce=False)
        assert updated.metadata == client.metadata
        assert not updated.rotate_refresh_tokens
        assert not updated.require_pkce

    def test_secrets_follow_the_authentication_method(self, registry: ClientRegistry) -> None:
        client, first = registry.create(PUBLIC, client_id="a")
        assert first is None
        client, basic = registry.update("a", WEB)
        assert basic is not None
        assert verify_secret(client, basic)
        client, mac = registry.update("a", MAC)
        assert mac is not None
        assert secrets_in_clear(client) == [mac]
        assert not verify_secret(client, basic)
        client, unchanged = registry.update("a", MAC | {"client_name": "B"})
        assert unchanged is None
        client, longer = registry.update("a", MAC | {"token_endpoint_auth_signing_alg": "HS512"})
        assert longer is not None
        assert len(longer) >= 64
        client, kept = registry.update("a", WEB)
        assert kept is None
        assert verify_secret(client, longer)
        assert client.secrets[0].sealed_secret is None
        client, none = registry.update("a", PUBLIC)
        assert none is None
        assert client.secrets == ()

    def test_disabled_clients_are_found_and_say_so(self, registry: ClientRegistry) -> None:
        client, _ = registry.create(WEB)
        registry.set_enabled(client.client_id, False)
        assert registry.get(client.client_id).is_enabled is False  # type: ignore[union-attr]
        registry.set_enabled(client.client_id, True)
        assert registry.get(client.client_id).is_enabled is True  # type: ignore[union-attr]

    def test_delete(self, registry: ClientRegistry) -> None:
        client, _ = registry.create(WEB)
        registry.delete(client.client_id)
        assert registry.get(client.client_id) is None
        with reading() as session:
            assert session.execute(select(ClientSecret.id)).all() == []
        for change in (registry.delete, registry.update, registry.rotate_secret):
            with pytest.raises(NotFound):
                change(client.client_id)

    def test_list_pages_by_identifier(self, registry: ClientRegistry) -> None:
        for name in "dbac":
            registry.create(WEB, client_id=name)
        registry.rotate_secret("b", keep_old_for=60)
        assert [client.client_id for client in registry.list(limit=3)] == ["a", "b", "c"]
        assert [client.client_id for client in registry.list(after="b")] == ["c", "d"]
        assert len(registry.list(limit=1, after="a")[0].secrets) == 2

    def test_every_change_is_audited_and_bumps_the_version_in_one_transaction(self, registry: ClientRegistry) -> None:
        registry.create(WEB, client_id="a", actor="user:1")
        registry.update("a", skip_consent=True)
        registry.rotate_secret("a")
        registry.set_enabled("a", False)
        registry.delete("a")
        assert events() == [
            "client:created", "client:updated", "client_secret:rotated", "client:updated", "client:deleted",
        ]  # fmt: skip
        assert version() == 5
        trail = list(reversed(AuditTrail().tail()))
        assert [record.actor for record in trail] == ["user:1"] + ["operator"] * 4
        assert {record.client_id for record in trail} == {"a"}
        roll_back(lambda: registry.create(WEB, client_id="b"))
        assert registry.get("b") is None
        assert version() == 5
        assert len(events()) == 5


class TestCache:
    def test_a_second_get_asks_nothing(self, registry: ClientRegistry, statements: list[str]) -> None:
        client, _ = registry.create(WEB)
        statements.clear()
        first = registry.get(client.client_id)
        assert len(statements) == 1
        assert all(registry.get(client.client_id) is first for _ in range(100))
        assert len(statements) == 1

    def test_unknown_identifiers_are_remembered_within_bounds(
        self, registry: ClientRegistry, statements: list[str]
    ) -> None:
        client, _ = registry.create(WEB)
        registry.get(client.client_id)
        for number in range(1100):
            assert registry.get(f"unknown-{number}") is None
        assert len(registry._cache) <= 1 + 1024
        statements.clear()
        assert registry.get("unknown-1099") is None
        assert registry.get(client.client_id) is not None
        assert statements == []

    @pytest.mark.parametrize("client_id", ["", "x" * 256, "a\x00b", "ü", "\ud800", "a\nb", "x" * 100_000])
    def test_impossible_identifiers_never_reach_the_database(
        self, registry: ClientRegistry, statements: list[str], client_id: str
    ) -> None:
        assert registry.get(client_id) is None
        assert statements == []
        assert len(registry._cache) == 0

    def test_the_number_of_records_is_bounded_and_the_oldest_goes(self, app: Flask, statements: list[str]) -> None:
        registry = make_registry(cache_size=3)
        for name in "abcd":
            registry.create(WEB, client_id=name)
        for name in "abcad":
            registry.get(name)
        assert len(registry._cache) == 3
        statements.clear()
        for name in "cad":
            registry.get(name)
        assert statements == []
        registry.get("b")
        assert len(statements) == 1

    def test_changes_by_another_process_are_seen_within_two_seconds(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, there = make_registry(), make_registry()
        here.create(WEB, client_id="a")
        assert there.get("a").is_enabled  # type: ignore[union-attr]
        assert there.get("b") is None
        here.set_enabled("a", False)
        here.create(WEB, client_id="b")
        assert there.get("a").is_enabled  # type: ignore[union-attr]
        monkeypatch.setattr(there._cache._watch, "_next_read", 0.0)
        assert not there.get("a").is_enabled  # type: ignore[union-attr]
        assert there.get("b") is not None

    def test_uncommitted_records_are_not_kept(self, registry: ClientRegistry) -> None:
        registry.create(WEB, client_id="a")

        def change() -> None:
            registry.update("a", WEB | {"client_name": "Never"})
            assert registry.get("a").name == "Never"  # type: ignore[union-attr]

        roll_back(change)
        assert registry.get("a").name == "App"  # type: ignore[union-attr]

    def test_an_old_snapshot_does_not_bring_back_what_changed(self, app: Flask) -> None:
        registry = make_registry()
        registry.create(WEB, client_id="a")
        with reading() as session:
            session.execute(select(ClientRow.client_id)).all()

            def change() -> None:
                with app.app_context():
                    registry.set_enabled("a", False)

            thread = threading.Thread(target=change)
            thread.start()
            thread.join()
            registry.get("a")  # what SQLite's snapshot still shows as enabled
        assert not registry.get("a").is_enabled  # type: ignore[union-attr]

    def test_a_slow_load_does_not_bring_back_what_changed(self, app: Flask) -> None:
        class Quiet:
            def changed(self) -> bool:
                return False

        cache: RecordCache[str] = RecordCache(Quiet(), 10)  # type: ignore[arg-type]

        def slow(_key: str) -> str:
            cache.clear()  # another thread's change, while we read
            return "old"

        assert cache.get("a", slow) == "old"
        assert cache.get("a", lambda _key: "new") == "new"

    def test_a_failed_load_leaves_nothing_behind(self, app: Flask, registry: ClientRegistry) -> None:
        def broken(_key: str) -> None:
            raise OSError

        with pytest.raises(OSError):
            registry._cache.get("a", broken)
        registry.create(WEB, client_id="a")
        assert registry.get("a") is not None

    @pytest.mark.slow
    def test_readers_never_see_a_stale_client_after_a_change_returned(self, app: Flask) -> None:
        registry = make_registry()
        registry.create(WEB, client_id="a")
        stop = threading.Event()
        failures: list[BaseException] = []

        def read() -> None:
            try:
                with app.app_context():
                    while not stop.is_set():
                        registry.get("a")
                        registry.get("nobody")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            registry.update("a", WEB | {"client_name": f"Name {number}"})
            assert registry.get("a").name == f"Name {number}"  # type: ignore[union-attr]
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []


class TestLogos:
    def test_a_deployment_that_fetches_none(self, app: Flask) -> None:
        """Nothing is asked for, and what was there before stays while its address does."""

        class NoFetcher:
            def get_image(self, url: str, max_bytes: int) -> bytes:
                raise AssertionError("must not be asked")

        registry = make_registry(fetcher=NoFetcher(), fetch_logos=False)
        client, _ = registry.create(WEB | {"logo_uri": "https://app.example/logo.png"})
        assert client.logo_digest is None
        assert client.metadata.logo_uri == "https://app.example/logo.png"
