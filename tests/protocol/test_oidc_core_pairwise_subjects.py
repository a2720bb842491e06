"""OpenID Connect Core §8: clients that know people by names of their own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp.core.errors import Invalid
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.sector import sector_of
from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend, refused, silently, success_of, unverified

SHOP, BLOG = "https://shop.example.com/callback", "https://blog.example.org/callback"


def pairwise(server: Server, redirect_uri: str = SHOP, **metadata: Any) -> RelyingParty:
    return server.create_client(redirect_uris=[redirect_uri], subject_type="pairwise", **metadata)


def subject(party: RelyingParty, browser: Browser, person: Person) -> str:
    return str(party.tokens(browser, person)["claims"]["sub"])


@on_each_backend
def test_one_name_in_each_sector(server: Server, browser: Browser, person: Person) -> None:
    shop, blog = pairwise(server), pairwise(server, BLOG)
    assert set(shop.metadata["subject_types_supported"]) == {"public", "pairwise"}
    here = subject(shop, browser, person)
    there = subject(blog, browser, person)
    assert len({here, there, person.id}) == 3
    assert subject(pairwise(server, SHOP + "/other"), browser, person) == here, "the same host is the same sector"
    assert subject(server.create_client(), browser, person) == person.id
    assert subject(shop, server.browser(), person) == here, "for ever the same"
    assert subject(shop, server.browser(), server.create_user()) != here


def test_everywhere_the_same(server: Server, browser: Browser, person: Person) -> None:
    """§5.3.2: UserInfo's sub is the ID token's; and no token tells the client more than that."""
    shop = pairwise(server)
    tokens = shop.tokens(browser, person)
    sub = tokens["claims"]["sub"]
    assert unverified(tokens["access_token"])["sub"] == sub
    assert success_of(shop.userinfo(tokens["access_token"]))["sub"] == sub
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert success_of(shop.introspect(token))["sub"] == sub
    refreshed = shop.refreshed(tokens["refresh_token"])
    assert unverified(refreshed["id_token"])["sub"] == sub
    assert person.id not in repr([unverified(refreshed[name]) for name in ("id_token", "access_token")])
    assert person.id not in str(browser.open(shop.authorization_request(prompt="none").url))


def test_hints_are_understood(server: Server, browser: Browser, person: Person) -> None:
    shop, blog = pairwise(server), pairwise(server, BLOG)
    tokens, elsewhere = shop.tokens(browser, person), blog.tokens(browser, person)
    claims = silently(shop, browser, prompt="none", id_token_hint=tokens["id_token"])
    wish = f'{{"id_token": {{"sub": {{"value": "{claims["sub"]}"}}}}}}'
    assert silently(shop, browser, prompt="none", claims=wish)["sub"] == claims["sub"]
    # Another sector's name for the person is nobody's here, and so is the person's true one.
    for name in (elsewhere["claims"]["sub"], person.id):
        wish = f'{{"id_token": {{"sub": {{"value": "{name}"}}}}}}'
        assert refused(shop, browser, prompt="none", claims=wish) == "login_required"
    assert refused(shop, browser, prompt="none", id_token_hint=elsewhere["id_token"]) == "invalid_request"
    other = server.browser()
    shop.tokens(other, server.create_user())
    assert refused(shop, other, prompt="none", id_token_hint=tokens["id_token"]) == "login_required"


def test_signing_out_by_a_hint(server: Server, browser: Browser, person: Person) -> None:
    shop = pairwise(server, post_logout_redirect_uris=["https://shop.example.com/bye"])
    tokens = shop.tokens(browser, person)
    url = shop.logout_url(
        id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://shop.example.com/bye", state="s"
    )
    shown = browser.open(url)
    assert isinstance(shown, Callback)
    assert shown.url == "https://shop.example.com/bye?state=s"
    assert refused(shop, browser, prompt="none") == "login_required"


def test_a_sub_survives_a_change_of_the_registration(server: Server, browser: Browser, person: Person) -> None:
    """Tokens of a family keep the name that they began with (§12.2)."""
    shop = pairwise(server)
    tokens = shop.tokens(browser, person)
    with server.administrator.provider() as provider:
        client = provider.clients.get(shop.client_id)
        assert client is not None
        provider.clients.update(shop.client_id, client.metadata.to_dict() | {"subject_type": "public"})
    refreshed = shop.refreshed(tokens["refresh_token"])
    assert unverified(refreshed["id_token"])["sub"] == tokens["claims"]["sub"]


@on_each_backend
def test_many_at_once_are_given_one_name(server: Server, person: Person) -> None:
    def ask(_number: int) -> str:
        with server.administrator.provider() as provider:
            return provider.subjects.of(person.id, "parallel.example.com")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1


# Sectors


def test_several_hosts_need_a_sector_document(server: Server) -> None:
    with pytest.raises(Invalid) as refusal:
        server.create_client(redirect_uris=[SHOP, BLOG], subject_type="pairwise")
    assert refusal.value.field == "sector_identifier_uri"
    with pytest.raises(Invalid) as refusal:
        pairwise(server, "com.example.app:/cb", application_type="native")
    assert refusal.value.field == "sector_identifier_uri"


@pytest.mark.parametrize("uri", ["com.evil.app://shop.example.com/cb", "http://127.0.0.1:9/cb", "http://localhost/cb"])
def test_only_tls_proves_which_sector_a_client_is_of(server: Server, uri: str) -> None:
    with pytest.raises(Invalid) as refusal:
        pairwise(server, uri, application_type="native")
    assert refusal.value.field == "sector_identifier_uri"
    with pytest.raises(Invalid):
        server.create_client(redirect_uris=[SHOP, uri], subject_type="pairwise", application_type="native")


def test_whoever_was_registered_when_the_rules_were_wider_is_in_no_sector() -> None:
    """And sees people by a name of its own nevertheless."""
    native = {"application_type": "native", "redirect_uris": ["com.evil.app://shop.example.com/cb" + "x" * 400]}
    sector = sector_of(ClientMetadata.from_stored({**native, "subject_type": "pairwise"}))
    assert sector is not None
    assert "shop.example.com" not in sector
    assert len(sector) <= 255
