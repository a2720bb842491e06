"""OpenID Connect Core §5.5: claims and assurance levels that a request asks for one by one."""

import json
from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend, refused, silently, success_of

PASSWORD_LEVEL, MFA_LEVEL = "urn:idp:acr:password", "urn:idp:acr:mfa"


# acr_values and the essential acr (§5.5.1.1)


def essential_acr(*values: str) -> str:
    """A `claims` parameter that insists on a level."""
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


@pytest.mark.parametrize("acr_values", [MFA_LEVEL, f"{MFA_LEVEL} {PASSWORD_LEVEL}", "urn:unheard-of", "0 1 2", "é"])
def test_a_wish_for_a_level_never_fails(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], acr_values: str
) -> None:
    claims = silently(relying_party, browser, acr_values=acr_values, prompt="none")
    assert claims["acr"] == PASSWORD_LEVEL


def test_an_essential_level_that_is_reached(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    claims = silently(relying_party, browser, claims=essential_acr("urn:unheard-of", PASSWORD_LEVEL))
    assert claims["acr"] == PASSWORD_LEVEL


def test_an_essential_acr_without_a_level_is_any_level(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    wish = json.dumps({"id_token": {"acr": {"essential": True}, "auth_time": {"essential": True}}})
    assert silently(relying_party, browser, prompt="none", claims=wish)["acr"] == PASSWORD_LEVEL


@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize("level", [MFA_LEVEL, "urn:unheard-of"])
def test_an_essential_level_out_of_reach(
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    tokens: dict[str, Any],
    prompt: str | None,
    level: str,
) -> None:
    code = refused(relying_party, browser, person=person, prompt=prompt, claims=essential_acr(level))
    assert code == "unmet_authentication_requirements"


@pytest.mark.parametrize("wish", [{"value": 7}, {"values": [7]}, {"values": PASSWORD_LEVEL}, {"value": [MFA_LEVEL]}])
def test_a_level_that_is_no_text(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], wish: dict[str, Any]
) -> None:
    """No session has it, so no answer would be right."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, **wish}}})
    assert refused(relying_party, browser, prompt="none", claims=claims) == "invalid_request"


@on_each_backend
def test_an_essential_level_is_reached_by_a_second_factor(server: Server, relying_party: RelyingParty) -> None:
    browser, person = server.browser(), server.create_user()
    relying_party.tokens(browser, person)
    with server.administrator.provider() as provider:
        seed = provider.totp.enrol(person.id)
    # The session is older than the second factor, so there is something to do.
    assert refused(relying_party, browser, prompt="none", claims=essential_acr(MFA_LEVEL)) == "interaction_required"
    enrolled = Person(person.email, person.password, person.id, seed)
    claims = relying_party.tokens(browser, enrolled, claims=essential_acr(MFA_LEVEL))["claims"]
    assert claims["acr"] == MFA_LEVEL
    assert set(claims["amr"]) == {"pwd", "otp", "mfa"}


# The claims parameter (§5.5)


@pytest.mark.parametrize("claims", ["no json", "[]", '"x"', '{"id_token": []}', '{"userinfo": {"name": 1}}', "{"])
def test_a_claims_parameter_that_is_no_such_object(relying_party: RelyingParty, browser: Browser, claims: str) -> None:
    assert refused(relying_party, browser, claims=claims) == "invalid_request"


def test_unknown_claims_and_members_are_ignored(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any]
) -> None:
    wishes = {"id_token": {"http://example.info/claims/groups": None}, "userinfo": {"x": {}}, "other": {"y": None}}
    silently(relying_party, browser, prompt="none", claims=json.dumps(wishes))


@pytest.mark.parametrize("wish", [{}, {"essential": True, "unheard-of": [1]}])
def test_members_of_a_wish_that_nobody_knows_are_ignored(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], wish: dict[str, Any]
) -> None:
    silently(relying_party, browser, prompt="none", claims=json.dumps({"id_token": {"auth_time": wish}}))


@pytest.mark.parametrize("member", ["userinfo", "id_token"])
def test_what_nobody_knows_of_a_person_is_left_out_however_essential(
    relying_party: RelyingParty, browser: Browser, person: Person, member: str
) -> None:
    """§5.5.1: the sign-in does not fail for it. Nor does it for a language (§5.2), of which there is one."""
    wishes = {name: {"essential": True} for name in ("gender", "birthdate", "website", "name#ja-Kana-JP")}
    tokens = relying_party.tokens(browser, person, claims=json.dumps({member: wishes}))
    told = tokens["claims"] | success_of(relying_party.userinfo(tokens["access_token"]))
    assert not wishes.keys() & told.keys()


def asking_for(subject: Any, member: str = "id_token") -> str:
    """A `claims` parameter that names the person."""
    return json.dumps({member: {"sub": {"value": subject}}})


@pytest.mark.parametrize("member", ["id_token", "userinfo"])
def test_a_subject_that_is_asked_for(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any], member: str
) -> None:
    """§3.1.2.2: nobody else gets an answer, neither by the session that is there nor by signing in."""
    silently(relying_party, browser, prompt="none", claims=asking_for(person.id, member))
    wish = asking_for(server.create_user().id, member)
    assert refused(relying_party, browser, prompt="none", claims=wish) == "login_required"
    assert refused(relying_party, browser, person=person, claims=wish) == "login_required"


def test_a_request_that_names_two_people(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    """§3.1.2.2: the answer could only be about one whom it must not be about."""
    other, hint = server.create_user(), tokens["id_token"]
    for prompt in ("none", None):
        params = {"prompt": prompt, "id_token_hint": hint}
        silently(relying_party, browser, claims=asking_for(person.id), **params)
        assert refused(relying_party, browser, claims=asking_for(other.id), **params) == "invalid_request"
    both = {"id_token": {"sub": {"value": person.id}}, "userinfo": {"sub": {"value": other.id}}}
    assert refused(relying_party, browser, prompt="none", claims=json.dumps(both)) == "invalid_request"


def test_a_subject_among_several(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    def among(*subjects: str) -> str:
        return json.dumps({"id_token": {"sub": {"values": subjects}}})

    silently(relying_party, browser, prompt="none", claims=among(person.id))
    other = server.create_user().id
    assert refused(relying_party, browser, prompt="none", claims=among(other)) == "login_required"
    assert refused(relying_party, browser, prompt="none", claims=among(person.id, other)) == "invalid_request"


@pytest.mark.parametrize("subject", [7, True, [], {}])
def test_a_subject_that_is_no_text(
    relying_party: RelyingParty, browser: Browser, tokens: dict[str, Any], subject: Any
) -> None:
    assert refused(relying_party, browser, prompt="none", claims=asking_for(subject)) == "invalid_request"


def test_an_individual_claim_needs_consent(
    relying_party: RelyingParty, browser: Browser, person: Person, tokens: dict[str, Any]
) -> None:
    wish = json.dumps({"userinfo": {"phone_number": {"essential": True}}})
    assert refused(relying_party, browser, prompt="none", claims=wish) == "consent_required"
    relying_party.tokens(browser, person, claims=wish)
    silently(relying_party, browser, prompt="none", claims=wish)
