"""`idp doctor --issuer URL`: what a relying party would trip over, found in providers with one fault each."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp.cli import main
from idp.cli.doctor.exchange import Answer, Exchange
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from idp.cli.doctor.metadata import Metadata, is_language_tag
from idp.cli.doctor.relying_party import examine
from idp.cli.doctor.sign_in import RegisteredClient, checks
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.fake_provider import (
    CALLBACK,
    CLIENT_ID,
    OAUTH,
    SECRET,
    FakeProvider,
    Reply,
    fake_provider,
)
from tests.helpers.provider_faults import CONSEQUENCES, FAULTS, FAULTS_OVER_TLS, Fault
from tests.helpers.relying_party import PrivateKey

CLIENT = RegisteredClient(CLIENT_ID, CALLBACK, SECRET)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the provider shows over TLS."""
    return loopback_certificate(tmp_path_factory.mktemp("tls"))


def amiss(provider: FakeProvider, client: RegisteredClient | None = CLIENT, **options: Any) -> list[Finding]:
    """What is not ok."""
    return [finding for finding in examine(provider.issuer, client=client, **options) if finding.level != OK]


def test_a_good_provider_has_no_faults() -> None:
    with fake_provider() as provider:
        assert amiss(provider) == []


@pytest.mark.parametrize("path", ["", "/realms/main"])
def test_nor_has_it_over_tls_or_with_a_path(certificate: Certificate, path: str) -> None:
    with fake_provider(certificate, path) as provider:
        assert amiss(provider, ca_bundle=certificate.certificate) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_found_and_said(fault: str) -> None:
    with fake_provider() as provider:
        _expect(FAULTS[fault], provider)


@pytest.mark.parametrize("fault", FAULTS_OVER_TLS)
def test_one_fault_is_found_over_tls(fault: str, certificate: Certificate) -> None:
    with fake_provider(certificate) as provider:
        _expect(FAULTS_OVER_TLS[fault], provider, ca_bundle=certificate.certificate)


def _expect(fault: Fault, provider: FakeProvider, **options: Any) -> None:
    change, check, level, words = fault
    change(provider)
    found = amiss(provider, **options)
    assert [f for f in found if (f.check, f.level) == (check, level) and words in f.message], found
    topics = {f.topic for f in found}
    assert topics <= {check.partition(".")[0], *CONSEQUENCES.get(check, ())}, found


def test_every_check_can_fail(certificate: Certificate) -> None:
    with fake_provider(certificate) as provider:
        checks = {finding.check for finding in examine(provider.issuer, certificate.certificate, CLIENT)}
    tried = {check for _, check, _, _ in (*FAULTS.values(), *FAULTS_OVER_TLS.values())}
    # These are tried below. A version of TLS that is too old makes no connection.
    below = {"discovery.url", "authorization.silent", "transport.certificate", "transport.tls"}
    assert checks - tried - below == set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("id.example.com", "not the URL of a provider"),
        ("ftp://id.example.com", "not the URL"),
        ("https://[::1", "not the URL"),
        ("https://id.example.com:99999", "not the URL"),
        ("https://id.example.com/?tenant=1", "query"),
        ("https://id.example.com/#", "fragment"),
        ("https://ada:secret@id.example.com", "password"),
        ("https://id.example.com/.well-known/openid-configuration", "issuer alone"),
    ],
)
def test_what_is_no_issuer(url: str, words: str) -> None:
    [finding] = examine(url)
    assert (finding.check, finding.level) == ("discovery.url", PROBLEM)
    assert words in finding.message


def test_plain_http_is_for_this_machine() -> None:
    found = list(examine("http://id.invalid"))
    assert [(f.check, f.level) for f in found] == [("discovery.url", WARNING), ("discovery.document", PROBLEM)]
    assert "does not resolve" in found[1].message


def test_an_open_redirector_is_the_worst() -> None:
    with fake_provider() as provider:
        provider.spoil(
            "/authorization", lambda question, _: Reply(302, {"Location": question.query["redirect_uri"] + "?error=x"})
        )
        found = {f.check: f for f in amiss(provider, None)}
    assert {check: found[check].level for check in ("authorization.unknown-client", "authorization.silent")} == {
        "authorization.unknown-client": PROBLEM,
        "authorization.silent": PROBLEM,
    }


@pytest.mark.parametrize(("number", "level"), [(500, PROBLEM), (302, WARNING)])
def test_an_authorization_endpoint_that_does_something_else(number: int, level: str) -> None:
    with fake_provider() as provider:
        provider.status("/authorization", number, Location="/error")
        found = {f.check: f for f in amiss(provider)}
    assert found["authorization.unknown-client"].level == level
    assert found["sign-in.silent"].level == PROBLEM


def test_a_client_that_is_not_registered() -> None:
    with fake_provider() as provider:
        found = {f.check: f for f in amiss(provider, RegisteredClient("nobody", CALLBACK))}
    assert "registered exactly so" in found["sign-in.silent"].message
    assert "sign-in.secret" not in found


def test_a_secret_that_is_wrong() -> None:
    with fake_provider() as provider:
        [finding] = amiss(provider, RegisteredClient(CLIENT_ID, CALLBACK, "wrong"))
    assert finding.check == "sign-in.secret"
    assert "client_secret_basic: 401 'invalid_client'" in finding.message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"issuer": "https://other.example"}, "another issuer's"),
        ({"issuer": None}, "another issuer's"),
        ({"token_endpoint": "http://id.invalid/token"}, "plain HTTP"),
        ({"token_endpoint": "http://127.0.0.1.id.invalid/token"}, "plain HTTP"),
    ],
)
def test_the_secret_is_sent_to_nobody_who_may_be_somebody_else(
    members: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes the document would choose where the secret goes, and whoever listens would read it."""
    sent = questions(monkeypatch)
    with fake_provider() as provider:
        provider.document |= members
        found = {finding.check: finding for finding in amiss(provider)}
    assert found["sign-in.secret"].level == WARNING
    assert words in found["sign-in.secret"].message
    assert not any("secret" in question or "Basic" in question for question in sent)


def test_a_document_that_came_over_plain_http_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = questions(monkeypatch)
    with fake_provider() as provider:
        issuer = "http://id.example"
        metadata = Metadata({**provider.document, "issuer": issuer}, issuer)
        found = {finding.check: finding for finding in checks(Exchange(), metadata, CLIENT)}
    assert "anybody may have written it" in found["sign-in.secret"].message
    assert not any("secret" in question or "Basic" in question for question in sent)


def test_the_secret_is_noticed_where_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above mean something."""
    sent = questions(monkeypatch)
    with fake_provider() as provider:
        assert amiss(provider) == []
    assert any("Basic" in question for question in sent)


def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that is asked from now on, with its form and its headers."""
    asked: list[str] = []
    ask = Exchange.ask

    def noted(self: Exchange, url: str, *arguments: Any, **options: Any) -> Answer:
        asked.append(repr((url, arguments, options)))
        return ask(self, url, *arguments, **options)

    monkeypatch.setattr(Exchange, "ask", noted)
    return asked


def test_a_secret_that_is_taken_in_the_form_alone() -> None:
    with fake_provider() as provider:
        provider.document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        del provider.document["token_endpoint_auth_signing_alg_values_supported"]
        assert amiss(provider) == []


def test_a_well_set_cookie_may_have_a_better_name(certificate: Certificate) -> None:
    with fake_provider(certificate) as provider:
        provider.header("/authorization", "Set-Cookie", ["sid=1; Path=/; Secure; HttpOnly; SameSite=Lax"])
        findings = {f.check: f for f in examine(provider.issuer, certificate.certificate)}
        assert findings["transport.cookies"].level == OK
        assert "__Host-" in findings["transport.cookies"].message


def test_an_algorithm_that_is_new_to_us_is_not_judged() -> None:
    with fake_provider() as provider:
        provider.document["id_token_signing_alg_values_supported"] += ["ML-DSA-44", "HS256"]
        provider.jwks["keys"].append({"kty": "AKP", "use": "sig", "alg": "ML-DSA-44", "kid": "fourth", "pub": "x"})
        assert amiss(provider) == []


def test_the_oauth_document_of_an_issuer_with_a_path() -> None:
    with fake_provider(path="/realms/main") as provider:
        provider.spoil(OAUTH, lambda q, r: Reply(404, {}) if q.path.startswith("/.well-known") else None)
        [finding] = amiss(provider)
    assert (finding.check, finding.level) == ("discovery.oauth", WARNING)
    assert "before the path" in finding.message


def test_an_oauth_document_with_another_issuer() -> None:
    with fake_provider() as provider:
        provider.oauth_document = {**provider.document, "issuer": "https://other.example"}
        assert [(f.check, f.level) for f in amiss(provider)] == [
            ("discovery.oauth", PROBLEM),
            ("discovery.oauth", WARNING),
        ]


def test_endpoints_on_another_host_are_said_and_fine() -> None:
    with fake_provider() as provider:
        provider.document["registration_endpoint"] = "https://register.example/clients"
        findings = {f.check: f for f in examine(provider.issuer)}
    assert findings["discovery.endpoints"].level == OK
    assert "register.example" in findings["discovery.endpoints"].message


def test_a_missing_endpoint_is_not_asked() -> None:
    with fake_provider() as provider:
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "introspection_endpoint"):
            del provider.document[name]
        found = {f.check for f in amiss(provider)}
    assert {"authorization.endpoint", "token.endpoint", "keys.document", "discovery.members"} <= found
    assert not {"introspection.anonymous", "authorization.answer"} & found


def test_language_tags() -> None:
    assert all(map(is_language_tag, ["en", "de-AT", "zh-Hant-TW", "sl-rozaj-biske", "en-u-ca-buddhist", "pt-BR-x-a"]))
    assert not any(map(is_language_tag, ["", "en_US", "e", "english-language-of-all", "de--AT", "*", "de-"]))


def test_an_edwards_key_covers_both_names_of_its_algorithm() -> None:
    with fake_provider() as provider:
        edwards = {**PrivateKey.generate("EdDSA").jwk, "use": "sig", "alg": "EdDSA", "kid": "fourth"}
        provider.jwks["keys"].append(edwards)
        provider.document["id_token_signing_alg_values_supported"] += ["EdDSA", "Ed25519"]
        assert amiss(provider) == []


# The command


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run `idp doctor …`, in an environment without settings."""
    return lambda *arguments, **options: CliRunner(env={"IDP_ISSUER": "nonsense"}).invoke(
        main, ["doctor", *arguments], **options
    )


def test_the_command_prints_topics_lines_and_a_sum(run: Callable[..., Result]) -> None:
    with fake_provider() as provider:
        provider.jwks["keys"][0]["d"] = "\x1b[31mred"
        provider.jwks["keys"][1]["kid"] = "\x1b[31mred"
        provider.header("/jwks", "Cache-Control", None)
        del provider.document["end_session_endpoint"]
        result = run("--issuer", provider.issuer)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[:2] == ["discovery", f"  ok       url            {provider.issuer}, plain HTTP on this machine"]
    keys = lines.index("keys")
    assert lines[keys - 1] == ""
    assert lines[keys + 2].startswith("  problem  private        key 'first' is published with d: ")
    assert "  warning  caching        Cache-Control has no max-age: every client" in "\n".join(lines)
    assert lines[-2:] == ["", "1 problem, 2 warnings"]
    assert "\x1b" not in result.stdout


def test_the_command_in_json(run: Callable[..., Result]) -> None:
    with fake_provider() as provider:
        result = run("--issuer", provider.issuer, "--json")
    assert result.exit_code == 0
    findings = json.loads(result.stdout)
    assert findings[0] == {
        "check": "discovery.url",
        "level": "ok",
        "message": f"{provider.issuer}, plain HTTP on this machine",
    }
    assert {finding["level"] for finding in findings} == {"ok"}


def test_the_command_with_a_client(run: Callable[..., Result]) -> None:
    with fake_provider() as provider:
        own = ["--issuer", provider.issuer, "--client-id", CLIENT_ID, "--redirect-uri", CALLBACK]
        result = run(*own, "--client-secret-stdin", input=f"{SECRET}\n")
        assert "ok       secret" in result.stdout
        assert result.exit_code == 0
        refused = run(*own, "--client-secret-stdin", input="not-the-secret\n")
    assert refused.exit_code == 1
    assert "not-the-secret" not in refused.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--client-id", "x"),
        ("--ca-bundle", __file__),
        ("--issuer", "http://127.0.0.1:9", "--client-id", "x"),
        ("--issuer", "http://127.0.0.1:9", "--redirect-uri", "http://127.0.0.1:9/cb"),
        ("--issuer", "http://127.0.0.1:9", "--client-secret-stdin"),
    ],
)
def test_options_that_need_others(run: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_bundle_without_certificates(run: Callable[..., Result]) -> None:
    result = run("--issuer", "https://127.0.0.1:9", "--ca-bundle", __file__)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
