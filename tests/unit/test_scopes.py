"""OpenID Connect Core §5.4: which claims a scope asks for."""

import pytest

from idp.core.scopes import STANDARD_CLAIMS, STANDARD_SCOPES, claims_for_scopes
from idp.identity.directory.claims import CLAIM_NAMES


def test_the_scopes_of_the_specification() -> None:
    assert set(STANDARD_SCOPES) == {"openid", "profile", "email", "address", "phone", "offline_access"}
    assert claims_for_scopes(["email"]) == {"email", "email_verified"}
    assert claims_for_scopes(["phone", "address"]) == {"phone_number", "phone_number_verified", "address"}
    assert len(claims_for_scopes(["profile"])) == 14
    assert claims_for_scopes(["openid"]) == {"sub"}
    assert claims_for_scopes(["offline_access"]) == frozenset()


def test_unknown_scopes_ask_for_nothing() -> None:
    assert claims_for_scopes(["orders:read", "", "PROFILE"]) == frozenset()
    assert claims_for_scopes([]) == frozenset()


def test_nobody_can_change_the_table() -> None:
    with pytest.raises(TypeError):
        STANDARD_SCOPES["profile"] = ()  # type: ignore[index]


def test_every_claim_a_scope_asks_for_is_one_the_directory_has() -> None:
    kept_elsewhere = {"sub", "email", "email_verified", "updated_at"}
    assert set(CLAIM_NAMES) | kept_elsewhere == STANDARD_CLAIMS
