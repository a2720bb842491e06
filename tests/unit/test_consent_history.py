"""What was allowed and withdrawn when, and which terms were accepted: proof, so nothing of it ever changes."""

import pytest
from sqlalchemy import delete

from idp.core.errors import Invalid
from idp.core.events import Event
from idp.storage.db import transaction
from idp.storage.tables import ClientRow
from tests.helpers.identity import House

API = "https://orders.example.com"


def test_every_decision_about_a_client_is_kept(house: House) -> None:
    ann, bob, shop = house.person().id, house.person("bob@example.com").id, house.client()
    house.consents.grant(ann, shop, ["openid", "email"], [API], ["birthdate"], declined=["phone"])
    house.consents.grant(ann, shop, ["profile"])
    assert house.consents.revoke(ann, shop)
    assert not house.consents.revoke(ann, shop)
    house.consents.grant(bob, shop, ["openid"])
    withdrawn, second, first = house.consents.history(ann)
    assert (first.action, first.client_id, first.decided_by) == ("granted", shop, "person")
    assert (first.scopes, first.resources, first.claims) == (("email", "openid"), (API,), ("birthdate",))
    assert first.declined == ("phone",)
    assert (second.action, second.scopes) == ("granted", ("profile",))
    assert (withdrawn.action, withdrawn.scopes) == ("withdrawn", ("email", "openid", "profile"))
    assert (withdrawn.resources, withdrawn.claims) == ((API,), ("birthdate",))
    assert first.at < second.at < withdrawn.at


def test_the_history_tells_who_withdrew(house: House) -> None:
    ann, shop = house.person().id, house.client()
    for actor in ("operator", f"user:{ann}", "user:somebody-else"):
        house.consents.grant(ann, shop, ["openid"])
        house.consents.revoke(ann, shop, actor=actor)
    told = [record.decided_by for record in house.consents.history(ann) if record.action == "withdrawn"]
    assert told == ["operator", "person", "operator"]


def test_the_history_outlives_the_client(house: House) -> None:
    ann, shop = house.person().id, house.client()
    house.consents.grant(ann, shop, ["openid"])
    with transaction() as connection:
        connection.execute(delete(ClientRow))
    assert house.consents.get(ann, shop) is None
    assert [record.client_id for record in house.consents.history(ann)] == [shop]


def test_terms_are_accepted_by_version(house: House) -> None:
    ann, bob = house.person().id, house.person("bob@example.com").id
    house.terms.accept(ann, "terms", "2026-01", "de", "https://example.com/terms")
    house.terms.accept(ann, "privacy", "3")
    house.terms.accept(ann, "terms", "2026-07", "en-GB")
    latest = house.terms.latest(ann)
    assert {name: acceptance.version for name, acceptance in latest.items()} == {"terms": "2026-07", "privacy": "3"}
    assert [acceptance.version for acceptance in house.terms.history(ann)] == ["2026-07", "3", "2026-01"]
    assert house.terms.history(ann)[-1].url == "https://example.com/terms"
    assert house.terms.latest(bob) == {}
    newest, *_ = house.events(Event.TERMS_ACCEPTED)
    assert (newest.user_id, newest.details["document"], newest.details["version"]) == (ann, "terms", "2026-07")


def test_an_acceptance_stands_or_falls_with_the_transaction(house: House) -> None:
    ann = house.person().id

    def fail() -> None:
        with transaction():
            house.terms.accept(ann, "terms", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert house.terms.history(ann) == house.events(Event.TERMS_ACCEPTED) == []


@pytest.mark.parametrize(
    "wrong",
    [("contract", "1"), ("terms", ""), ("terms", "1\n2"), ("terms", "v" * 65), ("terms", "1", "x" * 36),
     ("terms", "1", "en", "https://example.com/\r\n")],
)  # fmt: skip
def test_nonsense_is_not_recorded(house: House, wrong: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        house.terms.accept(house.person().id, *wrong)  # type: ignore[arg-type]
