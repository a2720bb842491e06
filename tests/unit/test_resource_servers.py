"""Resource servers: registration, and finding them by audience and scope from memory."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, update

from idp.core.errors import Conflict, Invalid
from idp.core.settings import load_settings
from idp.identity.clients.resource_indicators import canonical_resource, check_resource, equivalent_resources
from idp.identity.clients.resource_servers import ResourceServers
from idp.services.audit import AuditTrail
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine, transaction
from idp.storage.tables import ResourceServerRow
from idp.storage.versions import bump
from tests.helpers.backends import fresh_backend

ORDERS = {"orders:read": "See your orders", "orders:write": "Change your orders"}


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


@pytest.fixture
def servers(app: Flask) -> ResourceServers:
    return ResourceServers(AuditTrail())


def test_created_and_found(servers: ResourceServers) -> None:
    made = servers.create("https://orders.example.com", "Orders", ORDERS, token_lifetime=600, token_format="opaque")
    found = servers.get("https://orders.example.com")
    assert found == made
    assert found.token_lifetime == 600
    assert found.token_format == "opaque"
    assert found.signing_alg == "RS256"
    assert dict(found.scopes) == ORDERS
    assert servers.all() == (made,)
    record = AuditTrail().tail()[0]
    assert record.event == "resource_server:created"
    assert record.actor == "operator"
    assert record.details["audience"] == "https://orders.example.com"


def test_a_found_record_cannot_be_changed(servers: ResourceServers) -> None:
    server = servers.create("https://orders.example.com", "Orders", ORDERS)
    with pytest.raises(TypeError):
        server.scopes["admin"] = ""  # type: ignore[index]
    with pytest.raises(AttributeError):
        server.name = "x"  # type: ignore[misc]
    assert hash(server) == hash(server)


@pytest.mark.parametrize("registered", ["https://h.example", "https://h.example/"])
def test_an_empty_path_and_a_slash_are_the_same_resource(servers: ResourceServers, registered: str) -> None:
    servers.create(registered, "API", {})
    for asked in ("https://h.example", "https://h.example/"):
        assert servers.get(asked).audience == registered  # type: ignore[union-attr]
        with pytest.raises(Conflict):
            servers.create(asked, "Again", {})
    for other in (
        "https://h.example//",
        "https://h.example/x",
        "https://h.example?",
        "http://h.example",
        "",
        "/",
    ):
        assert servers.get(other) is None


def test_other_paths_are_exact(servers: ResourceServers) -> None:
    servers.create("https://h.example/api", "API", {})
    servers.create("https://h.example/api/", "Another", {})
    servers.create("urn:example:api", "By name", {})
    assert servers.get("https://h.example/api/").name == "Another"  # type: ignore[union-attr]
    assert servers.get("urn:example:api") is not None
    assert servers.get("https://h.example/API") is None


def test_scopes_lead_to_their_owners(servers: ResourceServers) -> None:
    orders = servers.create("https://orders.example.com", "Orders", ORDERS)
    audit = servers.create("https://audit.example.com", "Audit", {"orders:read": "See orders"})
    assert servers.owning("orders:write") == (orders,)
    assert set(servers.owning("orders:read")) == {orders, audit}
    assert servers.owning("openid") == ()
    assert servers.owning("") == ()


def test_a_disabled_resource_server_is_as_unknown(servers: ResourceServers, app: Flask) -> None:
    servers.create("https://orders.example.com", "Orders", ORDERS)
    with transaction() as session:
        session.execute(update(ResourceServerRow).values(is_enabled=False))
        bump(session, "clients")
    fresh = ResourceServers(AuditTrail())
    assert fresh.get("https://orders.example.com") is None
    assert fresh.owning("orders:read") == ()
    assert [server.is_enabled for server in fresh.all()] == [False]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"audience": "orders"}, "audience"),
        ({"audience": "https://h.example/#x"}, "audience"),
        ({"audience": "https://"}, "audience"),
        ({"audience": "javascript:alert(1)"}, "audience"),
        ({"audience": "https://h.example/" + "x" * 512}, "audience"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": {"a b": ""}}, "scopes"),
        ({"scopes": {"": ""}}, "scopes"),
        ({"scopes": {"openid": ""}}, "scopes"),
        ({"scopes": {"a": "x\u202ey"}}, "scopes"),
        ({"scopes": {"a": None}}, "scopes"),
        ({"scopes": {f"s{number}": "" for number in range(501)}}, "scopes"),
        ({"token_lifetime": 0}, "token_lifetime"),
        ({"token_lifetime": 86401}, "token_lifetime"),
        ({"token_format": "saml"}, "token_format"),
        ({"signing_alg": "none"}, "signing_alg"),
    ],
)
def test_poor_input_is_refused(servers: ResourceServers, change: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {"audience": "https://h.example", "name": "API", "scopes": {"a": ""}} | change
    with pytest.raises(Invalid) as refused:
        servers.create(**values)
    assert refused.value.field == field
    assert servers.all() == ()


def test_no_query_while_nothing_changes(servers: ResourceServers) -> None:
    servers.create("https://orders.example.com", "Orders", ORDERS)
    servers.get("https://orders.example.com")
    seen: list[str] = []

    def remember(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", remember)
    for number in range(1000):
        servers.get("https://orders.example.com")
        servers.get(f"https://unknown-{number}.example")
        servers.owning("orders:read")
        servers.all()
    event.remove(db.engine, "before_cursor_execute", remember)
    assert [statement for statement in seen if "resource_servers" in statement] == []


def test_what_is_rolled_back_is_not_kept(servers: ResourceServers) -> None:
    def undone() -> None:
        with transaction():
            servers.create("https://orders.example.com", "Orders", ORDERS)
            assert servers.get("https://orders.example.com") is not None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert servers.get("https://orders.example.com") is None
    assert AuditTrail().tail() == []


def test_another_process_sees_a_new_one_within_two_seconds(
    servers: ResourceServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ResourceServers(AuditTrail())
    assert there.get("https://orders.example.com") is None
    servers.create("https://orders.example.com", "Orders", ORDERS)
    assert there.get("https://orders.example.com") is None
    monkeypatch.setattr(there._watch, "_next_read", 0.0)
    assert there.get("https://orders.example.com") is not None


def test_of_several_creating_the_same_one_succeeds(servers: ResourceServers, app: Flask) -> None:
    outcomes: list[str] = []

    def create(audience: str) -> None:
        with app.app_context():
            try:
                servers.create(audience, "API", {})
                outcomes.append("created")
            except Conflict:
                outcomes.append("conflict")

    threads = [threading.Thread(target=create, args=("https://h.example" + "/" * (number % 2),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["created"]


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z.]{1,9}[/?#x]{0,3}", fullmatch=True))
def test_canonical_form_is_stable_and_shared_by_its_equivalents(resource: str) -> None:
    canonical = canonical_resource(resource)
    assert canonical_resource(canonical) == canonical
    assert resource in equivalent_resources(resource)
    assert {canonical_resource(same) for same in equivalent_resources(resource)} == {canonical}


@given(st.text(max_size=60))
def test_checking_a_resource_ends_in_yes_or_invalid(resource: str) -> None:
    try:
        check_resource(resource, "resources")
    except Invalid:
        return
    assert resource.isascii()
    assert "#" not in resource
    assert ":" in resource
