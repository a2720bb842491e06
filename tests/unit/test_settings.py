"""Settings from the environment: what is accepted, and the sentence for what is not."""

from pathlib import Path

import pytest

from idp.core.environment import read_environment
from idp.core.errors import ConfigurationError
from idp.core.settings import Settings, load_settings
from idp.storage.db import engine_options

SECRET = "a,secret;with,commas-0123456789abcdef"


def refusal(environ: dict[str, str]) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(ConfigurationError) as raised:
        load_settings(environ)
    return str(raised.value)


class TestSecrets:
    def test_former_secrets_are_separated_by_white_space_alone(self) -> None:
        settings = load_settings({"IDP_PREVIOUS_SECRET_KEYS": f"{SECRET} other-0123456789abcdef\n"})
        assert [secret.get_secret_value() for secret in settings.previous_secret_keys] == [
            SECRET, "other-0123456789abcdef",
        ]  # fmt: skip

    def test_other_lists_take_commas_as_well(self) -> None:
        assert load_settings({"IDP_ALLOWED_HOSTS": "a.example, b.example c.example"}).allowed_hosts == (
            "a.example", "b.example", "c.example",
        )  # fmt: skip

    def test_a_secret_that_could_not_be_listed_later_is_refused(self) -> None:
        sentence = refusal({"IDP_SECRET_KEY": "two words " * 5})
        assert sentence == "IDP_SECRET_KEY: must not contain white space"

    def test_a_file_instead(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(SECRET + "\n")
        settings = load_settings({"IDP_SECRET_KEY_FILE": str(tmp_path / "key")})
        assert settings.secret_key is not None
        assert settings.secret_key.get_secret_value() == SECRET

    def test_a_value_and_a_file_exclude_each_other(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(SECRET)
        both = {"IDP_SECRET_KEY": SECRET, "IDP_SECRET_KEY_FILE": str(tmp_path / "key")}
        assert refusal(both) == "IDP_SECRET_KEY and IDP_SECRET_KEY_FILE are both set: remove one of them"
        both["IDP_SECRET_KEY"] = ""  # an empty value counts as unset
        assert load_settings(both).secret_key is not None

    def test_a_file_that_is_not_there(self) -> None:
        assert "IDP_SMTP_URL_FILE" in refusal({"IDP_SMTP_URL_FILE": "/nowhere/at/all"})


class TestIssuer:
    @pytest.mark.parametrize(
        ("issuer", "reason"),
        [
            ("https://id.example.com:443", "leave ':443' out"),
            ("http://localhost:80/tenant", "leave ':80' out"),
            ("https://id.example.com/", "slash"),
            ("https://id.example.com?x=1", "query"),
            ("https://user@id.example.com", "user"),
            ("id.example.com", "absolute"),
            ("https://id.example.com:99999", "IDP_ISSUER"),
        ],
    )
    def test_refused(self, issuer: str, reason: str) -> None:
        sentence = refusal({"IDP_ISSUER": issuer})
        assert reason in sentence
        assert sentence.startswith("IDP_ISSUER: ")

    @pytest.mark.parametrize("issuer", ["https://id.example.com:8443", "http://localhost:443", "https://a.example/x"])
    def test_accepted(self, issuer: str) -> None:
        assert load_settings({"IDP_ISSUER": issuer}).issuer == issuer

    def test_in_production_it_is_reached_over_tls(self) -> None:
        """RFC 6749 §3.1, RFC 8414 §2"""
        production = {
            "IDP_ENVIRONMENT": "production",
            "IDP_SECRET_KEY": SECRET,
            "IDP_KEY_ENCRYPTION_KEY": "A" * 43,
        }
        assert "set it to the public https:// URL" in refusal({**production, "IDP_ISSUER": "http://id.example.com"})
        assert load_settings({**production, "IDP_ISSUER": "https://id.example.com"}).is_https


class TestNames:
    def test_nested(self) -> None:
        assert load_settings({"IDP_RETENTION__AUDIT_DAYS": "0"}).retention.audit_days == 0

    @pytest.mark.parametrize("name", ["IDP_ISUER", "IDP_RETENTION", "IDP_KEYS__NOPE", "IDP_NOPE_FILE"])
    def test_unknown(self, name: str) -> None:
        assert name in refusal({name: "1"})

    def test_other_programs_variables_are_left_alone(self) -> None:
        assert read_environment(Settings, {"PATH": "/bin", "ISSUER": "x"}) == {}


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "postgresql://idp@localhost/idp"])
def test_errors_of_the_database_do_not_carry_values(url: str) -> None:
    assert engine_options(Settings(database_url=url))["hide_parameters"] is True


@pytest.mark.parametrize("url", ["foo", "mysql://a@b/c", "sqlite", "sqlite:/x", "postgresql+asyncpg://a@b/c"])
def test_a_database_that_is_none(url: str) -> None:
    assert refusal({"IDP_DATABASE_URL": url}).startswith("IDP_DATABASE_URL: must be sqlite:///PATH or postgresql")
