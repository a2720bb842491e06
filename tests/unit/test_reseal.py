"""A key-encryption key is replaced: everything is sealed anew, and then the old one may go."""

import base64

import pytest
from pyotp import TOTP
from sqlalchemy import LargeBinary, update

from idp.cli.application import running_provider
from idp.identity.clients.secrets import secrets_in_clear
from idp.services.keys.reseal import PREFIX, sealed_columns
from idp.storage.db import Base, transaction
from idp.storage.tables import TotpCredential
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

OLD, NEW = (base64.urlsafe_b64encode(letter * 32).rstrip(b"=").decode() for letter in (b"o", b"n"))
JWT_CLIENT = ("client", "create", "--redirect-uri", "https://app.example.com/cb", "--auth-method", "client_secret_jwt")


@pytest.fixture(autouse=True)
def _old_key(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", OLD)


@pytest.fixture
def user(ask: Ask) -> str:
    """A user with a generator of one-time codes."""
    return str(ask("user", "create", "--email", "a@example.com")["id"])


def test_after_it_the_old_key_may_go(user: str, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_provider() as provider:
        seed = provider.totp.enrol(user)
        with transaction():
            mail_id = provider.mail.put("mail_test", "a@example.com", locale="en")
    client = ask(*JWT_CLIENT, "--name", "App")
    monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", NEW)
    failure(run("keys", "list"))  # without the old one the server does not start
    monkeypatch.setenv("IDP_PREVIOUS_KEY_ENCRYPTION_KEYS", OLD)
    counted = {column["place"]: column for column in ask("keys", "reseal")}
    assert counted["signing_keys.sealed_private_key"]["resealed"] == 4
    assert counted["totp_credentials.sealed_seed"]["resealed"] == 1
    assert counted["client_secrets.sealed_secret"]["resealed"] == 1
    assert counted["outbox_messages.sealed_payload"]["resealed"] == 1
    assert all(column["resealed"] == column["unreadable"] == 0 for column in ask("keys", "reseal")), "again: nothing"
    monkeypatch.delenv("IDP_PREVIOUS_KEY_ENCRYPTION_KEYS")
    assert len(ask("keys", "list")) == 4
    with running_provider() as provider:
        assert provider.totp.verify(user, TOTP(seed).now())
        message = provider.outbox.get(mail_id)
        assert message is not None
        assert provider.mail.open(message).template == "mail_test"
        stored = provider.clients.get(client["client_id"])
        assert stored is not None
        assert secrets_in_clear(stored) == [client["client_secret"]]
    events = ask("audit", "tail", "--event", "key:resealed")
    assert sorted(event["details"]["values"] for event in events) == [1, 1, 1, 4]


def test_what_no_key_opens_is_named_and_left_alone(
    user: str, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_provider() as provider:
        provider.totp.enrol(user)
        with transaction() as connection:
            connection.execute(update(TotpCredential).values(sealed_seed=b"\x01damaged"))
    monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY", NEW)
    monkeypatch.setenv("IDP_PREVIOUS_KEY_ENCRYPTION_KEYS", OLD)
    result = run("keys", "reseal")
    assert "IDP_PREVIOUS_KEY_ENCRYPTION_KEYS" in failure(result)
    assert ["totp_credentials.sealed_seed", "0", "0", "1"] in [line.split() for line in result.stdout.splitlines()]


def test_every_sealed_column_is_known_by_its_name() -> None:
    """A new table whose secrets are not named so would be forgotten when keys are replaced."""
    named = {column for _, column in sealed_columns()}
    columns = {column for table in Base.metadata.tables.values() for column in table.c}
    binary = {column for column in columns if type(column.type) is LargeBinary}
    in_clear = {f"{column.table.name}.{column.name}" for column in binary - named}
    # The chain of audit events is for everybody to verify.
    assert {name for name in in_clear if not name.startswith("audit_")} == {
        "client_logos.content",
        "ephemeral.value",
        "token_families.salt",
    }
    assert len(named) >= 3
    assert all(column.name.startswith(PREFIX) for column in named)
