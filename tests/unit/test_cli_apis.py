"""`idp api`, and `idp client update`: what applications and APIs are registered with."""

import json

import pytest

from idp.cli.application import running_provider
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run

__all__ = ["ask", "environment", "run"]

ORDERS = "https://orders.example.com"


@pytest.fixture
def orders(ask: Ask) -> str:
    """An API with two scopes."""
    ask("api", "create", ORDERS, "--name", "Orders", "--scope", "orders:read=See your orders", "--scope", "orders:all")
    return ORDERS


@pytest.fixture
def shop(ask: Ask) -> str:
    """A confidential client."""
    made = ask(
        "client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example.com/cb", "--scope", "openid"
    )
    return str(made["client_id"])


class TestApis:
    def test_create_list_and_show(self, ask: Ask, run: Run, shop: str) -> None:
        made = ask(
            "api", "create", ORDERS, "--name", "Orders", "--scope", "orders:read=See your orders",
            "--token-lifetime", "120", "--format", "opaque", "--introspection-client", shop,
        )  # fmt: skip
        assert made == {
            "audience": ORDERS, "name": "Orders", "scopes": {"orders:read": "See your orders"}, "token_lifetime": 120,
            "token_format": "opaque", "signing_alg": "RS256", "introspection_clients": [shop], "is_enabled": True,
        }  # fmt: skip
        assert ask("api", "show", ORDERS + "/") == made
        assert ask("api", "list") == [made]
        assert "orders:read" in run("api", "list").stdout

    def test_update_changes_what_is_named(self, ask: Ask, orders: str, shop: str) -> None:
        before = ask("api", "show", orders)
        after = ask("api", "update", orders, "--token-lifetime", "60", "--introspection-client", shop)
        assert after == {**before, "token_lifetime": 60, "introspection_clients": [shop]}
        after = ask("api", "update", orders, "--scope", "orders:write=Place orders", "--name", "Orders 2")
        assert after["scopes"] == {"orders:write": "Place orders"}
        assert after["name"] == "Orders 2"
        after = ask("api", "update", orders, "--token-lifetime", "0", "--no-introspection-clients")
        assert after["token_lifetime"] is None
        assert after["introspection_clients"] == []
        assert ask("api", "show", orders) == after

    def test_every_change_is_audited(self, ask: Ask, run: Run, orders: str) -> None:
        ask("api", "update", orders, "--name", "New", "--format", "jwt")
        run("api", "disable", orders)
        events = ask("audit", "tail", "--event", "resource_server:updated")
        assert [event["details"]["changes"] for event in events] == [["name"], ["is_enabled"]]

    def test_disabled_means_unknown_to_requests(self, ask: Ask, run: Run, orders: str) -> None:
        assert "disabled" in run("api", "disable", orders).stdout
        with running_provider() as provider:
            assert provider.resource_servers.get(orders) is None
            assert provider.resource_servers.owning("orders:all") == ()
        assert ask("api", "show", orders)["is_enabled"] is False
        assert "enabled" in run("api", "enable", orders).stdout
        with running_provider() as provider:
            assert provider.resource_servers.get(orders) is not None

    def test_refusals(self, ask: Ask, run: Run, orders: str) -> None:
        assert "already an API" in failure(run("api", "create", orders + "/", "--name", "X"))
        assert "there is no API" in failure(run("api", "show", "https://other.example.com"))
        assert "there is no API" in failure(run("api", "update", "https://other.example.com", "--name", "X"))
        assert "there is no client" in failure(run("api", "update", orders, "--introspection-client", "nobody"))
        assert "twice" in failure(run("api", "update", orders, "--scope", "a=1", "--scope", "a=2"))
        assert "OpenID Connect" in failure(run("api", "update", orders, "--scope", "email"))
        assert "lifetime" in failure(run("api", "update", orders, "--token-lifetime", "5"))
        # Only RS256 has keys here.
        assert "IDP_KEYS__ALGORITHMS" in failure(run("api", "update", orders, "--alg", "ES256"))
        assert "IDP_KEYS__ALGORITHMS" in failure(
            run("api", "create", "https://b.example", "--name", "B", "--alg", "PS256")
        )
        assert ask("api", "show", orders)["signing_alg"] == "RS256"

    def test_opaque_tokens_switched_off(self, ask: Ask, run: Run, orders: str, monkeypatch: pytest.MonkeyPatch) -> None:
        ask("api", "update", orders, "--format", "opaque")
        monkeypatch.setenv("IDP_FEATURES__OPAQUE_ACCESS_TOKENS", "false")
        assert ask("api", "show", orders)["token_format"] == "jwt"
        assert "switched off" in failure(run("api", "update", orders, "--format", "opaque"))


class TestClientUpdate:
    def test_what_is_not_named_stays(self, ask: Ask, shop: str) -> None:
        before = ask("client", "show", shop)
        after = ask("client", "update", shop, "--name", "Shop 2", "--redirect-uri", "https://shop.example.com/cb2")
        changed = {"client_name": "Shop 2", "redirect_uris": ["https://shop.example.com/cb2"]}
        assert {**after, "updated_at": None} == {**before, **changed, "updated_at": None}
        after = ask("client", "update", shop, "--scope", "openid email", "--scope", "profile", "--skip-consent")
        assert after["scope"] == "openid email profile"
        assert after["skip_consent"] is True
        assert ask("client", "update", shop, "--consent")["skip_consent"] is False
        assert "scope" not in ask("client", "update", shop, "--clear", "scope")

    def test_grant_types_bring_their_response_types(self, ask: Ask, run: Run, shop: str) -> None:
        after = ask("client", "update", shop, "--grant-type", "client_credentials")
        assert after["grant_types"] == ["client_credentials"]
        assert "response_types" not in after
        again = ask("client", "update", shop, "--grant-type", "authorization_code")
        assert again["response_types"] == ["code"]

    def test_a_method_that_needs_a_secret_prints_it_once(self, ask: Ask, run: Run, shop: str) -> None:
        assert ask("client", "update", shop, "--auth-method", "none")["is_public"] is True
        after = ask("client", "update", shop, "--auth-method", "client_secret_post")
        assert len(after["client_secret"]) >= 43
        assert after["client_secret"] not in run("client", "show", shop).stdout

    def test_refusals(self, run: Run, shop: str) -> None:
        update = ("client", "update", shop)
        assert "redirect" in failure(run(*update, "--redirect-uri", "javascript:alert(1)")).lower()
        assert "there is no client" in failure(run("client", "update", "nobody", "--name", "X"))
        assert run(*update, "--clear", "nonsense").exit_code == 2
        for option in ("--id-token-alg", "--userinfo-alg"):
            assert "IDP_KEYS__ALGORITHMS" in failure(run(*update, option, "ES256"))


class TestAlgorithmsThatLostTheirKeys:
    def test_doctor_names_who_is_left_without(self, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IDP_KEYS__ALGORITHMS", "RS256,ES256")
        client = ask(
            "client", "create", "--name", "X", "--redirect-uri", "https://a.example/cb", "--id-token-alg", "ES256"
        )["client_id"]
        ask("api", "create", ORDERS, "--name", "Orders", "--alg", "ES256")
        assert not [finding for finding in _findings(run) if finding["check"] == "algorithms"]
        monkeypatch.setenv("IDP_KEYS__ALGORITHMS", "RS256")
        problems = [finding["message"] for finding in _findings(run) if finding["check"] == "algorithms"]
        assert len(problems) == 2
        assert f"client {client}" in "".join(problems)
        assert f"API {ORDERS}" in "".join(problems)

    def test_registration_refuses_them(self, run: Run) -> None:
        create = ("client", "create", "--name", "X", "--redirect-uri", "https://a.example/cb")
        assert "no key signs ES256" in failure(run(*create, "--id-token-alg", "ES256"))


def _findings(run: Run) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("doctor", "--json").stdout)
    return found
