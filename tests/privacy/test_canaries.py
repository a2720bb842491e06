"""What every column says of a person is in their copy, and nowhere once they were erased."""

import json
from datetime import datetime
from typing import Any

import jsonschema
import pytest

from docs.generate.privacy import export_schema
from idp.engine.privacy.map import PERSONAL
from idp.web.provider import Provider
from tests.helpers.backends import Backend
from tests.privacy.canaries import USER, Planted, everything_stored, plant
from tests.privacy.conftest import client_of


@pytest.fixture
def planted(provider: Provider) -> Planted:
    """The person of whom every column says something."""
    role = provider.roles.create("clerk")
    return plant(client_of(provider), role.id)


def copy_of(provider: Provider, user_id: str = USER) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(b"".join(provider.exports.whole(user_id)))
    return document


def test_every_canary_is_in_the_copy(provider: Provider, planted: Planted) -> None:
    data = copy_of(provider)["data"]
    missing = []
    for entry in PERSONAL:
        for name in entry.exported:
            value = planted.values[entry.table.name, name]
            expected = value.isoformat() if isinstance(value, datetime) else value
            if not any(row[name] == expected for row in data[entry.section]):
                missing.append(f"{entry.table.name}.{name}")
    assert missing == []
    assert data["roles"][0]["role"] == "clerk"
    assert data["permissions"][0]["client_name"] == "Shop"


def test_nothing_that_is_withheld_is_in_the_copy(provider: Provider, planted: Planted) -> None:
    text = json.dumps(copy_of(provider))
    told = {planted.tokens.get((entry.table.name, name)) for entry in PERSONAL for name in entry.exported}
    leaked = [
        f"{entry.table.name}.{name}"
        for entry in PERSONAL
        for name in entry.withheld
        if (token := planted.tokens.get((entry.table.name, name))) and token not in told and token in text
    ]
    assert leaked == []


@pytest.mark.usefixtures("planted")
def test_the_copy_is_as_its_schema_says(provider: Provider) -> None:
    schema = json.loads(export_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = copy_of(provider)
    jsonschema.validate(document, schema)
    document["data"]["account"][0]["password"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_a_copy_is_about_one_person(provider: Provider, planted: Planted) -> None:
    bob = provider.users.create("bob@example.com", name="Bob")
    text = json.dumps(copy_of(provider, bob.id)["data"])
    assert [place for place, token in planted.tokens.items() if token in text] == []
    assert "bob@example.com" not in json.dumps(copy_of(provider)["data"])


def test_every_canary_is_gone_after_erasure(provider: Provider, planted: Planted, backend: Backend) -> None:
    provider.store.put("code:x", f'{{"user_id": "{USER}", "mail": "zq-short-lived"}}'.encode(), 600)
    before = everything_stored(backend.redis_url)
    assert [place for place, token in planted.tokens.items() if token not in before] == []
    assert "zq-short-lived" in before
    provider.lifecycle.delete(USER)
    provider.courier.deliver()
    provider.eraser.purge()
    after = everything_stored(backend.redis_url)
    stay = planted.tokens_that_stay()
    left = {place: token for place, token in planted.tokens.items() if token in after and token not in stay}
    assert left == {}
    assert USER not in after
    assert "zq-short-lived" not in after
    # And what the map says stays does, so that this says something.
    assert {token for token in stay if token in after} == stay


def test_others_stay_as_they_are(provider: Provider, planted: Planted) -> None:
    bob = provider.users.create("bob@example.com", name="Bob")
    provider.passwords.set(bob.id, "a quiet river bends twice")
    provider.terms.accept(bob.id, "terms", "1")
    _, token = provider.sessions.open(bob.id, ["pwd"], "1")
    before = copy_of(provider, bob.id)["data"] | {"security_log": None}
    provider.lifecycle.delete(USER)
    assert copy_of(provider, bob.id)["data"] | {"security_log": None} == before
    assert provider.sessions.find(token) is not None
