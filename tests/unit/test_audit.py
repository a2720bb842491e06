"""The audit trail: what it stores, what it refuses, and that it stands or falls with the deed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from flask import Flask

from idp.core.clock import now
from idp.core.events import Event
from idp.services.audit import AuditTrail, RequestContext, request_context
from idp.storage.db import transaction


@pytest.fixture
def audit(app: Flask) -> AuditTrail:
    return AuditTrail()


@contextmanager
def request_from(address: str | None, user_agent: str | None, request_id: str | None) -> Iterator[None]:
    reset = request_context.set(RequestContext(address, user_agent, request_id))
    try:
        yield
    finally:
        request_context.reset(reset)


def test_an_event_is_stored_whole(audit: AuditTrail) -> None:
    moment = now()
    with time_machine.travel(moment, tick=False), request_from("192.0.2.1", "Mozilla", "r-1"):
        audit.record(
            Event.TOKEN_ISSUED,
            user_id="u1",
            client_id="c1",
            session_id="s1",
            scopes=["openid"],
            count=2,
            nested={"a": None},
        )
    (record,) = audit.tail()
    assert record.at == moment
    assert record.event == "token:issued"
    assert (record.actor, record.user_id, record.client_id, record.session_id) == ("user:u1", "u1", "c1", "s1")
    assert (record.ip_address, record.user_agent, record.request_id) == ("192.0.2.1", "Mozilla", "r-1")
    assert record.details == {"scopes": ["openid"], "count": 2, "nested": {"a": None}}


def test_who_did_it(audit: AuditTrail) -> None:
    audit.record(Event.KEY_CREATED)
    audit.record(Event.TOKEN_ISSUED, client_id="c1")
    audit.record(Event.USER_CREATED, user_id="u1", actor="operator")
    with request_from("192.0.2.1", None, None):
        audit.record(Event.SIGN_IN_FAILED)
    actors = [record.actor for record in audit.tail()]
    assert actors == ["anonymous", "operator", "client:c1", "system"]


def test_the_tail_is_the_newest_first_and_can_be_narrowed(audit: AuditTrail) -> None:
    for number in range(6):
        audit.record(
            Event.SIGN_IN_FAILED if number % 2 else Event.SIGN_IN_SUCCEEDED, user_id=f"u{number % 3}", n=number
        )
    assert [record.details["n"] for record in audit.tail(4)] == [5, 4, 3, 2]
    assert [record.details["n"] for record in audit.tail(9, Event.SIGN_IN_FAILED)] == [5, 3, 1]
    assert [record.details["n"] for record in audit.tail(9, user_id="u1")] == [4, 1]
    assert [record.details["n"] for record in audit.tail(9, Event.SIGN_IN_FAILED, "u1")] == [1]


def test_the_events_of_one_request_and_of_one_client(audit: AuditTrail) -> None:
    with request_from("192.0.2.1", None, "r-1"):
        audit.record(Event.TOKEN_ISSUED, client_id="c1")
        audit.record(Event.TOKEN_REVOKED, client_id="c2")
    audit.record(Event.TOKEN_ISSUED, client_id="c1")
    assert [record.client_id for record in audit.tail(request_id="r-1")] == ["c2", "c1"]
    assert len(audit.tail(client_id="c1")) == 2
    assert len(audit.tail(client_id="c1", request_id="r-1")) == 1
    assert audit.tail(request_id="r-2") == []


def test_it_falls_with_the_transaction_of_the_deed(audit: AuditTrail) -> None:
    with pytest.raises(LookupError):
        _record_and_fail(audit)
    assert audit.tail() == []
    with transaction():
        audit.record(Event.USER_CREATED)
        audit.record(Event.PASSWORD_SET)
    assert len(audit.tail()) == 2


def _record_and_fail(audit: AuditTrail) -> None:
    with transaction():
        audit.record(Event.USER_CREATED)
        raise LookupError


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password", "Password", "code", "client_secret", "secret", "token", "access_token",
        "refresh-token", "id_token_hint", "code_verifier", "totp", "otp", "totp_seed", "client_assertion",
        "authorization", "cookie", "session_cookie", "csrf_token", "private_key", "user_code", "pepper",
    ],
)  # fmt: skip
def test_secrets_have_no_way_in(name: str, audit: AuditTrail) -> None:
    shapes: list[dict[str, Any]] = [{name: "hush"}, {"form": {name: "hush"}}, {"list": [{"a": {name: "hush"}}]}]
    for details in shapes:
        with pytest.raises(ValueError, match="must not go into the audit trail"):
            audit.record(Event.SIGN_IN_FAILED, **details)
    assert audit.tail() == []


def test_names_that_only_sound_like_secrets_are_fine(audit: AuditTrail) -> None:
    audit.record(Event.TOKEN_REFUSED, error_code="invalid_grant", token_type="Bearer", token_id="j", kid="k", codes=1)
    assert len(audit.tail()) == 1


def test_whatever_strangers_send_fits_both_databases(audit: AuditTrail) -> None:
    evil = "\x00\ud800\r\n<script>" + "x" * 5000
    with request_from(evil, evil, evil):
        audit.record(
            Event.CLIENT_AUTHENTICATION_FAILED, actor=evil, user_id=evil, client_id=evil, session_id=evil,
            text=evil, nested={"a": [evil]}, **{"odd\x00\ud800": evil},
        )  # fmt: skip
    (record,) = audit.tail()
    assert len(record.client_id or "") == 255
    assert len(record.details["text"]) == len(record.details["nested"]["a"][0]) == 1000
    assert "\x00" not in repr(record)
    assert "\\x00" not in repr(record)


def test_details_are_bounded(audit: AuditTrail) -> None:
    nested: Any = "x"
    for _ in range(50):
        nested = [nested]
    with pytest.raises(ValueError, match="nested too deeply"):
        audit.record(Event.SIGN_IN_FAILED, nested=nested)
