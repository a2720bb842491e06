"""Client metadata: what may be registered, and which redirect URI matches it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from idp.core.crypto import Sealer, SecretRing, b64url
from idp.core.errors import Invalid
from idp.identity.clients.client import Client
from idp.identity.clients.localized import in_language
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.clients.redirect_uris import DANGEROUS_SCHEMES, RESPONSE_PARAMETERS
from idp.identity.clients.secret_vault import SecretVault

CALLBACK = "https://app.example/cb"
VAULT = SecretVault(SecretRing(["s" * 32]), Sealer([b"k" * 32]))
RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")


def public(key: Any, **more: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False)) | more


def parse(**values: Any) -> ClientMetadata:
    return ClientMetadata.parse({"redirect_uris": [CALLBACK]} | values)


def blamed(**values: Any) -> str | None:
    """The field that registration refuses."""
    with pytest.raises(Invalid) as refused:
        parse(**values)
    message = str(refused.value)
    assert message.isascii()
    assert message.isprintable()
    assert not set('"\\') & set(message)  # fit for error_description (RFC 6749 §5.2)
    return refused.value.field


def client(**values: Any) -> Client:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    metadata = parse(**values)
    return Client("c", "Client", metadata, True, False, True, True, (), moment, moment, VAULT)


class TestDefaults:
    def test_the_smallest_registration(self) -> None:
        metadata = parse()
        assert metadata.to_dict() == {
            "redirect_uris": [CALLBACK],
            "application_type": "web",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "subject_type": "public",
            "id_token_signed_response_alg": "RS256",
        }

    def test_null_and_empty_mean_absent_and_unknown_members_are_ignored(self) -> None:
        assert parse(logo_uri=None, client_name="", frobnicate={"a": 1}, client_id="mine") == parse()

    def test_nothing_gets_in_through_the_translations_member(self) -> None:
        assert parse(localized={"client_name#de": "x\ny", "skip_consent": True}) == parse()

    @pytest.mark.parametrize("values", [[], "x", None, 1])
    def test_only_objects(self, values: Any) -> None:
        with pytest.raises((Invalid, TypeError, ValueError)):
            ClientMetadata.parse(values)

    def test_it_is_immutable(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            parse().scope = "admin"

    def test_a_full_registration_survives_storage(self) -> None:
        metadata = parse(
            client_name="App", client_uri="https://app.example/", logo_uri="https://app.example/l.png",
            policy_uri="https://app.example/p#de", tos_uri="https://app.example/t", contacts=["a@b.example"],
            post_logout_redirect_uris=["https://app.example/bye"], scope="openid email openid",
            grant_types=["authorization_code", "refresh_token", "client_credentials"],
            token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg="PS256",
            jwks={"keys": [public(RSA), public(EC, kid="e", use="sig"), public(ED)]},
            userinfo_signed_response_alg="ES256", default_max_age=0, require_auth_time=True,
            default_acr_values=["urn:a"], initiate_login_uri="https://app.example/login",
            resources=["https://api.example", "https://api.example"], software_id="s", software_version="1",
            **{"client_name#de": "Anwendung", "tos_uri#de": "https://app.example/agb"},
        )  # fmt: skip
        stored = json.loads(json.dumps(metadata.to_dict()))
        assert ClientMetadata.from_stored(stored) == metadata
        assert ClientMetadata.parse(stored) == metadata
        assert metadata.scope == "openid email"
        assert metadata.resources == ("https://api.example",)
        assert stored["default_max_age"] == 0
        assert stored["client_name#de"] == "Anwendung"

    def test_stored_metadata_is_read_even_if_rules_became_stricter(self) -> None:
        old = ClientMetadata.from_stored({"redirect_uris": ["http://old.example/cb"], "gone": 1})
        assert old.redirect_uris == ("http://old.example/cb",)
        assert old.id_token_signed_response_alg == "RS256"


class TestTypes:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("redirect_uris", CALLBACK),
            ("redirect_uris", [1]),
            ("redirect_uris", {"a": 1}),
            ("redirect_uris", [None]),
            ("redirect_uris", [CALLBACK + str(number) for number in range(101)]),
            ("grant_types", "authorization_code"),
            ("grant_types", [["authorization_code"]]),
            ("grant_types", 5),
            ("response_types", 5),
            ("client_name", 5),
            ("client_name", ["x"]),
            ("contacts", "ops@app.example"),
            ("scope", ["openid"]),
            ("default_max_age", "300"),
            ("default_max_age", True),
            ("default_max_age", 1.5),
            ("default_max_age", -1),
            ("require_auth_time", "true"),
            ("require_auth_time", 1),
            ("default_acr_values", ["a b"]),
            ("jwks", "x"),
            ("jwks_uri", {}),
            ("application_type", "desktop"),
            ("subject_type", "ephemeral"),
            ("token_endpoint_auth_method", "tls_client_auth"),
            ("id_token_signed_response_alg", "none"),
            ("id_token_signed_response_alg", "HS256"),
            ("userinfo_signed_response_alg", "none"),
            ("software_id", "x" * 256),
        ],
    )
    def test_wrong_types_and_values_are_refused_by_name(self, field: str, value: Any) -> None:
        assert blamed(**{field: value}) == field

    @given(
        st.dictionaries(
            st.sampled_from(sorted(ClientMetadata.model_fields)) | st.text(max_size=12),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
                max_leaves=6,
            ),
            max_size=6,
        )
    )
    def test_any_json_object_is_accepted_or_invalid(self, values: dict[str, Any]) -> None:
        try:
            metadata = ClientMetadata.parse(values)
        except Invalid:
            return
        assert ClientMetadata.from_stored(json.loads(json.dumps(metadata.to_dict()))) == metadata


class TestGrants:
    def test_unsupported_grant_types_are_left_out(self) -> None:
        metadata = parse(grant_types=["authorization_code", "refresh_token", "urn:example:unknown"])
        assert metadata.grant_types == ("authorization_code", "refresh_token")
        assert parse(response_types=["code", "token"]).response_types == ("code",)

    def test_a_service_needs_no_redirect_uri(self) -> None:
        metadata = ClientMetadata.parse({"grant_types": ["client_credentials"], "scope": "orders:read"})
        assert metadata.response_types == ()
        assert metadata.redirect_uris == ()

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"redirect_uris": []}, "redirect_uris"),
            ({"redirect_uris": None}, "redirect_uris"),
            ({"grant_types": []}, "grant_types"),
            ({"grant_types": ["password"]}, "grant_types"),
            ({"grant_types": ["refresh_token"]}, "grant_types"),
            ({"grant_types": ["client_credentials"], "response_types": ["code"]}, "grant_types"),
            ({"grant_types": ["authorization_code"], "response_types": []}, "response_types"),
            ({"response_types": ["token"]}, "response_types"),
            ({"response_types": ["none"]}, "response_types"),
            (
                {
                    "grant_types": ["authorization_code", "client_credentials"],
                    "token_endpoint_auth_method": "none",
                },
                "grant_types",
            ),
        ],
    )
    def test_inconsistent_requests(self, values: dict[str, Any], field: str) -> None:
        assert blamed(**values) == field

    @pytest.mark.parametrize("scope", [" ", 'a"b', "a\\b", "a\tb", "ä", "a\nb", "x" * 4097])
    def test_malformed_scope(self, scope: str) -> None:
        assert blamed(scope=scope) == "scope"


class TestPages:
    @pytest.mark.parametrize(
        "field", ["client_uri", "policy_uri", "tos_uri", "logo_uri", "initiate_login_uri", "jwks_uri"]
    )
    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/path",
            "evil.example",
            "https:evil",
            "https://",
            "https://a@b.example",
            "https://a\\b.example",
            "https://a.example/\n",
            "https://a.example/ b",
            "https://ä.example",
            "https://a.example:99999",
            "https://a..example",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://[::1",
            "https://[::z]/",
            "https://a.example/%0d%0a",
            "https://a.example/%zz",
            "https://a.example/" + "x" * 2048,
        ],
    )
    def test_only_plain_web_urls(self, field: str, url: str) -> None:
        assert blamed(**{field: url}) == field

    @pytest.mark.parametrize("field", ["logo_uri", "initiate_login_uri", "jwks_uri"])
    def test_https_where_it_matters(self, field: str) -> None:
        assert blamed(**{field: "http://app.example/x"}) == field
        assert blamed(**{field: "https://app.example/x#y"}) == field
        assert getattr(parse(**{field: "https://app.example/x"}), field) == "https://app.example/x"

    def test_loopback_is_for_development_and_never_starts_a_sign_in(self) -> None:
        assert parse(logo_uri="http://localhost:9000/l.png").logo_uri
        assert blamed(initiate_login_uri="http://localhost/login") == "initiate_login_uri"

    @pytest.mark.parametrize("name", ["\u202eevil", "a\nb", "\x00", " ", "a\u2028b", "x" * 256, "\ue000"])
    def test_names_are_one_visible_line(self, name: str) -> None:
        assert blamed(client_name=name) == "client_name"
        assert blamed(**{"client_name#de": name}) == "client_name#de"
        assert blamed(contacts=[name]) == "contacts"

    @pytest.mark.parametrize("name", ["Ünïcödé", "می‌خواهم", "👩‍💻 App", '<script>"&', "アプリ"])
    def test_names_in_any_script(self, name: str) -> None:
        assert parse(client_name=name).client_name == name


class TestTranslations:
    def test_they_are_validated_as_their_member_is(self) -> None:
        assert blamed(**{"logo_uri#de": "javascript:alert(1)"}) == "logo_uri#de"
        assert blamed(**{"client_name#": "x"}) == "client_name"
        assert blamed(**{"client_name#d e": "x"}) == "client_name"
        assert blamed(**{"client_name#de": 5}) == "client_name#de"
        assert parse(**{"redirect_uris#de": ["https://evil.example"], "client_name#de": None}) == parse()

    def test_lookup(self) -> None:
        names = {"client_name#de": "de", "client_name#pt-BR": "br", "client_name#zh-Hant-TW": "tw"}
        found = {
            locale: in_language(names, "client_name", locale)
            for locale in ("de", "de-AT", "DE_at", "pt-br", "pt", "zh-Hant-TW", "zh-Hant", "en", "")
        }
        assert found == {
            "de": "de", "de-AT": "de", "DE_at": "de", "pt-br": "br", "pt": None,
            "zh-Hant-TW": "tw", "zh-Hant": None, "en": None, "": None,
        }  # fmt: skip
        assert in_language(names, "logo_uri", "de") is None


class TestAuthentication:
    def test_private_key_jwt_with_either_kind_of_keys(self) -> None:
        method = {"token_endpoint_auth_method": "private_key_jwt"}
        assert parse(**method, jwks_uri="https://app.example/jwks").jwks is None
        assert client(**method, jwks={"keys": [public(ED)]}).key_set is not None
        assert client().key_set is None
        assert blamed(**method) == "jwks"
        assert blamed(**method, jwks={"keys": [public(EC)]}, jwks_uri="https://app.example/jwks") == "jwks"

    @pytest.mark.parametrize(
        ("method", "alg"),
        [
            ("private_key_jwt", "HS256"),
            ("private_key_jwt", "none"),
            ("client_secret_jwt", "RS256"),
            ("client_secret_jwt", "none"),
            ("client_secret_basic", "none"),
        ],
    )
    def test_the_algorithm_must_fit_the_method(self, method: str, alg: str) -> None:
        values = {"token_endpoint_auth_method": method, "token_endpoint_auth_signing_alg": alg}
        assert blamed(**values, jwks={"keys": [public(EC)]}) == "token_endpoint_auth_signing_alg"

    @pytest.mark.parametrize(
        "jwks",
        [
            {},
            {"keys": []},
            {"keys": {}},
            {"keys": [5]},
            {"keys": [{}]},
            {"keys": [{"kty": 5}]},
            {"keys": [{"kty": "new"}]},
            {"keys": [{"kty": "new", "priv": "x"}, public(EC)]},
            {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
            {"keys": [{"kty": "oct"}, public(EC)]},
            {"keys": [RSA.as_dict(private=True)]},
            {"keys": [public(RSA), EC.as_dict(private=True)]},
            {"keys": [ED.as_dict(private=True)]},
            {"keys": [public(EC, k="c2VjcmV0")]},
            {"keys": [public(EC, d=None)]},
            {"keys": [public(RSA, n=b64url((2**1023 + 1).to_bytes(128)))]},
            {"keys": [public(RSA, n=b64url(b"\x00" * 128 + (2**1023 + 1).to_bytes(128)))]},
            {"keys": [public(RSA, n=b64url((2**16383 + 1).to_bytes(2048)))]},
            {"keys": [public(RSA, n="ü")]},
            {"keys": [public(RSA, n=5)]},
            {"keys": [public(RSA, n="A")]},
            {"keys": [public(RSA, e="AA")]},
            {"keys": [public(RSA, e=None)]},
            {"keys": [public(EC, x=b64url(b"\x01" * 32))]},
            {"keys": [public(EC, y=None)]},
            {"keys": [{"kty": "EC", "crv": "P-256"}]},
            {"keys": [public(EC, crv="P-384")]},
            {"keys": [public(ED, x="AAAA")]},
            {"keys": [public(EC, kid=5)]},
            {"keys": [public(EC, kid="a"), public(ED, kid="a")]},
            {"keys": [public(EC)] * 21},
        ],
    )
    def test_poor_keys_are_refused(self, jwks: dict[str, Any]) -> None:
        assert blamed(token_endpoint_auth_method="private_key_jwt", jwks=jwks) == "jwks"
        assert blamed(jwks=jwks) == "jwks"

    def test_keys_of_unknown_types_are_left_out(self) -> None:
        keys = [{"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}, public(EC), {"kty": "EC", "crv": "secp256k1"}]
        metadata = parse(jwks={"keys": keys, "other": 1})
        assert metadata.jwks == {"keys": [public(EC)]}


class TestRedirectUriRegistration:
    @pytest.mark.parametrize(
        "uri",
        [
            "https://app.example/cb",
            "https://app.example",
            "https://app.example:8443/cb?tenant=1&x[]=2",
            "https://[2001:db8::1]/cb",
            "https://192.0.2.1/cb",
            "https://xn--bcher-kva.example/cb",
            "https://my_app.example/cb",
            "http://localhost:9000/callback",
            "http://127.0.0.1/cb",
            "http://[::1]:1234/cb",
            "https://app.example/.well-known/cb",
            "https://app.example/a..b/c",
        ],
    )
    def test_accepted_for_any_client(self, uri: str) -> None:
        assert parse(redirect_uris=[uri]).redirect_uris == (uri,)

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            " ",
            "/cb",
            "cb",
            "//app.example/cb",
            "https:",
            "https://",
            "https:///cb",
            "https:/app.example/cb",
            "https:app.example",
            "http://app.example/cb",
            "http://localhost.example/cb",
            "http://127.0.0.2/cb",
            "http://127.1/cb",
            "http://0.0.0.0/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://[::1%25lo]/cb",
            "https://app.example/cb#x",
            "https://app.example/cb#",
            "https://ok@evil.example/cb",
            "http://localhost:80@evil.example/cb",
            "http://127.0.0.1:80\\@evil.example/cb",
            "https:\\\\app.example\\cb",
            "https://app.example\\@evil.example",
            "https://app.example/cb\n",
            "\nhttps://app.example/cb",
            "https://app.example/\tcb",
            "https://app.example/c b",
            "https://app.example/\x00",
            "https://app.example/%00",
            "https://app.example/%0d%0aSet-Cookie",
            "https://app.example/%",
            "https://app.example/%1",
            'https://app.example/"',
            "https://app.example/<x>",
            "https://äpp.example/cb",
            "https://app.example/ä",
            "https://*.example/cb",
            "https://app.example/*",
            "https://app.example:/cb",
            "https://app.example:0/cb",
            "https://app.example:080/cb",
            "https://app.example:65536/cb",
            "https://app.example:x/cb",
            "https://-app.example/cb",
            "https://app..example/cb",
            "https://1.2.3/cb",
            "https://999.1.1.1/cb",
            "https://app.example/a/../cb",
            "https://app.example/./cb",
            "https://app.example/..",
            "https://app.example/%2e%2E/cb",
            "https://app.example/.%2e/cb",
            "https://app.example/cb/..;/x",
            "https://app.example/" + "x" * 2048,
        ],
    )
    def test_refused_for_every_client(self, uri: str) -> None:
        for values in ({}, {"application_type": "native"}, {"token_endpoint_auth_method": "none"}):
            assert blamed(redirect_uris=[uri], **values) == "redirect_uris"
            assert blamed(redirect_uris=[CALLBACK, uri], **values) == "redirect_uris"
            if uri:
                assert blamed(post_logout_redirect_uris=[uri], **values) == "post_logout_redirect_uris"

    @pytest.mark.parametrize("scheme", sorted(DANGEROUS_SCHEMES))
    def test_dangerous_schemes_never_register(self, scheme: str) -> None:
        for spelling in (scheme, scheme.upper(), scheme.title()):
            for rest in ("x", "//x", "/x", "//app.example/cb", "alert(1)//"):
                uri = f"{spelling}:{rest}"
                for values in ({}, {"application_type": "native"}, {"token_endpoint_auth_method": "none"}):
                    assert blamed(redirect_uris=[uri], **values) == "redirect_uris"

    @pytest.mark.parametrize("uri", ["com.example.app:/cb", "com.example.app://cb", "com.example.app:cb"])
    def test_reversed_domain_schemes_for_public_and_native_clients(self, uri: str) -> None:
        assert blamed(redirect_uris=[uri]) == "redirect_uris"
        assert parse(redirect_uris=[uri], application_type="native")
        assert parse(redirect_uris=[uri], application_type="web", token_endpoint_auth_method="none")

    def test_other_schemes_for_native_clients(self) -> None:
        uri = "cursor://anysphere.cursor-mcp/oauth/callback"
        assert blamed(redirect_uris=[uri]) == "redirect_uris"
        assert blamed(redirect_uris=[uri], application_type="web", token_endpoint_auth_method="none")
        assert parse(redirect_uris=[uri], application_type="native")

    def test_a_public_client_with_a_scheme_of_its_own_is_native_unless_it_says_otherwise(self) -> None:
        mixed = ["cursor://anysphere/cb", "http://localhost:3000/cb", "https://app.example/cb"]
        metadata = parse(redirect_uris=mixed, token_endpoint_auth_method="none")
        assert metadata.application_type == "native"
        assert metadata.redirect_uris == tuple(mixed)

    @pytest.mark.parametrize("name", sorted(RESPONSE_PARAMETERS))
    def test_the_query_leaves_room_for_the_response(self, name: str) -> None:
        for query in (f"{name}=x", f"a=1&{name}", f"{name}=", f"%{ord(name[0]):02x}{name[1:]}=x"):
            assert blamed(redirect_uris=[f"https://app.example/cb?{query}"]) == "redirect_uris"

    @given(st.text(max_size=60) | st.from_regex(r"[a-z.]{1,8}:/{0,3}[a-z0-9.:@\\\[\]#?%/ ]{0,24}", fullmatch=True))
    @example("http://[")
    @example("http://[v1.x]/")
    @example("//[::1]")
    def test_anything_is_accepted_or_invalid(self, uri: str) -> None:
        try:
            registered = client(redirect_uris=[uri], application_type="native")
        except Invalid:
            return
        assert registered.matches_redirect_uri(uri)
        assert uri.isascii()
        assert uri.isprintable()
        assert not set(' "#*<>\\^`{|}') & set(uri)
        assert isinstance(registered.host, str | None)


REGISTERED = (
    "https://app.example/cb?x=1",
    "http://127.0.0.1/cb",
    "http://[::1]:8080/cb?x=1",
    "http://localhost:9000",
)
LOOPBACK_PORTS = (
    ("http://127.0.0.1", "/cb"),
    ("http://[::1]", "/cb?x=1"),
    ("http://localhost", ""),
)


class TestRedirectUriMatching:
    web = client(redirect_uris=list(REGISTERED))
    native = client(redirect_uris=list(REGISTERED), application_type="native")
    public = client(redirect_uris=list(REGISTERED), token_endpoint_auth_method="none")

    @pytest.mark.parametrize("uri", REGISTERED)
    def test_what_is_registered_matches(self, uri: str) -> None:
        assert self.web.matches_redirect_uri(uri)
        assert self.native.matches_redirect_uri(uri)
        assert self.public.matches_redirect_uri(uri)

    @given(st.sampled_from(LOOPBACK_PORTS), st.integers(1, 65535))
    def test_the_port_of_a_loopback_uri_may_vary(self, target: tuple[str, str], port: int) -> None:
        uri = f"{target[0]}:{port}{target[1]}"
        assert self.native.matches_redirect_uri(uri)
        assert self.public.matches_redirect_uri(uri)
        assert self.native.matches_redirect_uri("".join(target))
        assert self.web.matches_redirect_uri(uri) is (uri in REGISTERED)

    @given(st.sampled_from(LOOPBACK_PORTS), st.text(max_size=12))
    @example(LOOPBACK_PORTS[0], ":80@evil.example")
    @example(LOOPBACK_PORTS[2], ":80@evil.example")
    @example(LOOPBACK_PORTS[0], ":80\\@evil.example")
    @example(LOOPBACK_PORTS[2], ":80\\@evil")
    @example(LOOPBACK_PORTS[0], "@evil.example")
    @example(LOOPBACK_PORTS[0], ".evil.example")
    @example(LOOPBACK_PORTS[0], ":0")
    @example(LOOPBACK_PORTS[0], ":")
    @example(LOOPBACK_PORTS[0], ":65536")
    @example(LOOPBACK_PORTS[0], ":080")
    @example(LOOPBACK_PORTS[0], ":８０")  # digits, but not ASCII
    @example(LOOPBACK_PORTS[0], ":80\n")
    @example(LOOPBACK_PORTS[0], ":80\x00")
    @example(LOOPBACK_PORTS[0], ":+80")
    @example(LOOPBACK_PORTS[2], ":80#")
    @example(LOOPBACK_PORTS[2], ":80/")
    @example(LOOPBACK_PORTS[2], "/")
    def test_nothing_else_may_stand_where_the_port_stands(self, target: tuple[str, str], text: str) -> None:
        port = text[1:]
        is_port = text[:1] == ":" and port.isascii() and port.isdigit() and str(int(port)) == port
        assume(not (is_port and 1 <= int(port) <= 65535) and text != "")
        uri = target[0] + text + target[1]
        assert not self.native.matches_redirect_uri(uri)
        assert not self.public.matches_redirect_uri(uri)

    @given(st.sampled_from(REGISTERED), st.integers(0, 40), st.characters(), st.booleans())
    def test_a_single_changed_character_does_not_match(
        self, uri: str, position: int, character: str, insert: bool
    ) -> None:
        position = min(position, len(uri) if insert else len(uri) - 1)
        changed = uri[:position] + character + uri[position + (not insert) :]
        assume(changed not in REGISTERED)
        assert not self.web.matches_redirect_uri(changed)
        if not character.isascii() or not character.isdigit():
            # Digits may make another port, and deleting ":" or a digit is left to the test above.
            assert not self.native.matches_redirect_uri(changed)

    @given(st.text(max_size=50))
    def test_arbitrary_text_does_not_match(self, text: str) -> None:
        assume(text not in REGISTERED)
        assert not self.web.matches_redirect_uri(text)
        if not text.startswith("http://"):
            assert not self.native.matches_redirect_uri(text)

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "https://app.example/cb",
            "https://app.example/cb?x=1&y=2",
            "https://app.example:443/cb?x=1",
            "https://app.example:8443/cb?x=1",
            "https://APP.example/cb?x=1",
            "HTTP://127.0.0.1/cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.1:80/CB",
            "http://127.0.0.1:80/cb/",
            "http://127.0.0.1:80/cb?",
            "http://127.0.0.1:80/cb?x=1",
            "http://127.0.0.1:80/cb#",
            "http://127.0.0.1:80/x/../cb",
            "http://127.0.0.1:80//cb",
            "http://localhost/cb",
            "http://[::1]/cb",
            "http://127.0.0.2/cb",
            "http://127.1/cb",
            "http://user@127.0.0.1/cb",
            "http://127.0.0.1:80@127.0.0.1/cb",
            "http://localhost:80@evil",
            "http://127.0.0.1:80\\@evil",
            "http:\\\\127.0.0.1\\cb",
            "http:/127.0.0.1/cb",
            " http://127.0.0.1/cb",
            "http://127.0.0.1/cb ",
            "http://LOCALHOST:9000",
            "http://localhost.:9000",
            "http://[0:0:0:0:0:0:0:1]/cb?x=1",
            "http://127.0.0.1:80/cb\n",
            "http://127.0.0.1:80\r\n/cb",
        ],
    )
    def test_look_alikes(self, uri: str) -> None:
        for registered in (self.web, self.native, self.public):
            assert not registered.matches_redirect_uri(uri)

    def test_the_port_of_anything_else_is_exact(self) -> None:
        native = client(redirect_uris=["https://localhost/cb", "com.app://127.0.0.1/cb"], application_type="native")
        assert not native.matches_redirect_uri("https://localhost:1/cb")
        assert not native.matches_redirect_uri("com.app://127.0.0.1:1/cb")
        assert not native.matches_redirect_uri("http://localhost:1/cb")

    def test_after_logout_only_the_exact_uri(self) -> None:
        native = client(post_logout_redirect_uris=["http://127.0.0.1:1/bye"], application_type="native")
        assert native.matches_post_logout_redirect_uri("http://127.0.0.1:1/bye")
        assert not native.matches_post_logout_redirect_uri("http://127.0.0.1:2/bye")
        assert not native.matches_post_logout_redirect_uri(CALLBACK)
        assert not native.matches_post_logout_redirect_uri("")


class TestClient:
    @pytest.mark.parametrize(
        ("values", "host"),
        [
            ({"client_uri": "https://bank.example"}, "app.example"),
            ({"redirect_uris": ["http://localhost/cb", "https://b.example:8443/cb"]}, "b.example"),
            ({"redirect_uris": ["http://localhost/cb"], "client_uri": "https://c.example"}, "localhost"),
            ({"redirect_uris": ["https://b.example/cb", "https://b.example/cb2"]}, "b.example"),
            ({"redirect_uris": ["https://bank.example/cb", "https://b.example/cb"]}, None),
            ({"redirect_uris": ["com.app://bank.example/cb"], "application_type": "native"}, None),
            ({"redirect_uris": ["com.app:/cb"], "client_uri": "https://c.example", "application_type": "native"}, None),
            ({"redirect_uris": ["http://[::1]:9/cb"]}, "::1"),
            ({"redirect_uris": ["com.app:/cb"], "application_type": "native"}, None),
            ({"redirect_uris": [], "grant_types": ["client_credentials"]}, None),
        ],
    )
    def test_the_host_is_where_codes_go(self, values: dict[str, Any], host: str | None) -> None:
        assert client(**values).host == host

    def test_what_it_may_ask_for(self) -> None:
        narrow = client(scope="openid orders:read", resources=["https://api.example/"])
        assert narrow.scopes == {"openid", "orders:read"}
        assert narrow.allows_resource("https://api.example")
        assert not narrow.allows_resource("https://api.example/x")
        assert narrow.allows_grant("authorization_code")
        assert not narrow.allows_grant("client_credentials")
        assert narrow.allows_response_type("code")
        assert not narrow.allows_response_type("token")
        wide = client()
        assert wide.scopes is None
        assert wide.allows_resource("https://anything.example")

    def test_texts_fall_back(self) -> None:
        known = client(tos_uri="https://app.example/t", **{"tos_uri#de": "https://app.example/agb"})
        assert known.text("tos_uri", "de-CH") == "https://app.example/agb"
        assert known.text("tos_uri", "fr") == "https://app.example/t"
        assert known.text("logo_uri", "fr") is None
        assert known.text("client_name", "fr") == "Client"
