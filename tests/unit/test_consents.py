"""Consents and roles: remembered, merged, withdrawn."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from idp.core.errors import Conflict, Invalid, NotFound
from idp.core.events import Event
from idp.identity.consents.consents import Consent, Consents
from idp.storage.db import transaction
from idp.storage.tables import ClientRow, ConsentRow, RoleAssignment
from tests.helpers.identity import House

API = "https://orders.example.com"


def allowed(scopes: str = "", resources: str = "", claims: str = "") -> Consent:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    scope_set, resource_set, claim_set = (frozenset(part.split()) for part in (scopes, resources, claims))
    return Consent("u", "c", scope_set, resource_set, claim_set, frozenset({"phone"}), moment, moment)


@pytest.mark.parametrize(
    ("consent", "request_", "covered"),
    [
        (None, ([], [], []), False),
        (None, (["openid"], [], []), False),
        (allowed("openid email"), (["openid"], [], []), True),
        (allowed("openid"), (["openid", "email"], [], []), False),
        (allowed("openid"), (["openid"], [API], []), False),
        (allowed("openid", API), (["openid"], [API], []), True),
        (allowed("openid", "", "birthdate"), (["openid"], [], ["birthdate"]), True),
        (allowed("openid"), (["openid"], [], ["birthdate"]), False),
        (allowed("openid"), ([], [], []), True),
    ],
)
def test_covers(consent: Consent | None, request_: tuple[list[str], list[str], list[str]], covered: bool) -> None:
    assert Consents.covers(consent, *request_) is covered


def test_grant_get_and_merge(house: House) -> None:
    user, client = house.person(), house.client()
    assert house.consents.get(user.id, client) is None
    first = house.consents.grant(user.id, client, ["openid", "email"], claims=["birthdate"])
    assert house.consents.get(user.id, client) == first
    second = house.consents.grant(user.id, client, ["openid", "orders:read"], [API])
    stored = house.consents.get(user.id, client)
    assert stored == second
    assert second.scopes == {"openid", "email", "orders:read"}
    assert (set(second.resources), set(second.claims)) == ({API}, {"birthdate"})
    assert second.granted_at == first.granted_at
    assert second.updated_at > first.updated_at
    assert house.count(ConsentRow) == 1
    newest, _ = house.events(Event.CONSENT_GRANTED)
    assert newest.details == {"scopes": ["openid", "orders:read"], "resources": [API], "claims": [], "declined": []}
    assert (newest.user_id, newest.client_id, newest.actor) == (user.id, client, f"user:{user.id}")


def test_consents_are_one_users_and_one_clients(house: House) -> None:
    alice, bob = house.person(), house.person("bob@example.com")
    shop, bank = house.client("shop"), house.client("bank")
    house.consents.grant(alice.id, shop, ["openid"])
    assert house.consents.get(bob.id, shop) is None
    assert house.consents.get(alice.id, bank) is None
    house.consents.grant(alice.id, bank, ["openid"])
    assert {consent.client_id for consent in house.consents.list(alice.id)} == {"shop", "bank"}
    assert house.consents.list(bob.id) == []


def test_parallel_grants_are_all_kept(house: House) -> None:
    user, client = house.person(), house.client()
    house.at_once(5, lambda number: house.consents.grant(user.id, client, [f"scope{number}"]))
    consent = house.consents.get(user.id, client)
    assert consent is not None
    assert consent.scopes == {f"scope{number}" for number in range(5)}


def test_tk4_withdrawing_revokes_what_was_issued(house: House) -> None:
    user, shop, bank = house.person(), house.client("shop"), house.client("bank")
    session, _ = house.sessions.open(user.id, ["pwd"], "")
    house.consents.grant(user.id, shop, ["openid"])
    house.consents.grant(user.id, bank, ["openid"])
    house.family(user.id, shop, session.id)
    house.family(user.id, shop, None, offline=True)
    other = house.family(user.id, bank, session.id)
    assert house.consents.revoke(user.id, shop)
    assert house.consents.get(user.id, shop) is None
    assert house.live_families() == {other}
    assert house.sessions.get(session.id) is not None
    assert not house.consents.revoke(user.id, shop)
    (event,) = house.events(Event.CONSENT_REVOKED)
    assert event.details == {"families": 2}


def test_consent_for_nobody_or_nothing(house: House) -> None:
    user, client = house.person(), house.client()
    with pytest.raises(NotFound):
        house.consents.grant("nobody", client, ["openid"])
    with pytest.raises(NotFound):
        house.consents.grant(user.id, "no-client", ["openid"])
    assert not house.consents.revoke("nobody", client)
    assert house.events(Event.CONSENT_GRANTED) == []


def test_a_deleted_client_takes_its_consents(house: House) -> None:
    user, client = house.person(), house.client()
    house.consents.grant(user.id, client, ["openid"])
    with transaction() as session:
        session.execute(delete(ClientRow))
    assert house.consents.get(user.id, client) is None


def test_roles(house: House) -> None:
    user, bob = house.person(), house.person("bob@example.com")
    house.roles.create("viewer", "Looks")
    admin = house.roles.create("admin")
    assert [role.name for role in house.roles.list()] == ["admin", "viewer"]
    assert house.roles.list()[0] == admin
    for name in ("viewer", "admin", "admin"):
        house.roles.assign(user.id, name)
    assert house.roles.of(user.id) == ("admin", "viewer")
    assert house.roles.of(bob.id) == house.roles.of("nobody") == ()
    assert len(house.events(Event.ROLE_CREATED)) == len(house.events(Event.ROLE_ASSIGNED)) == 2
    with pytest.raises(Conflict):
        house.roles.create("admin")
    with pytest.raises(NotFound):
        house.roles.assign(user.id, "emperor")
    with pytest.raises(NotFound):
        house.roles.assign("nobody", "admin")
    for name in ("", " ", "a b", "-x", "x" * 65, "a\0", "rôle", "a\n"):
        with pytest.raises(Invalid):
            house.roles.create(name)
    with pytest.raises(Invalid):
        house.roles.create("fine", "two\nlines")


def test_a_role_is_assigned_once_also_in_parallel(house: House) -> None:
    user = house.person()
    house.roles.create("admin")
    house.at_once(4, lambda _: house.roles.assign(user.id, "admin"))
    assert house.count(RoleAssignment) == len(house.events(Event.ROLE_ASSIGNED)) == 1
