"""Who may ask for figures is not left to chance by a mistyped setting."""

import pytest

from idp.cli.metrics_listener import metrics_address
from idp.core.errors import ConfigurationError
from idp.core.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN", "too-short"),
        ("TOKEN", "sixteen characters, and spaces"),
        ("TOKEN", "sixteen-characters-and-ümlauts"),
        ("BIND", "9464"),
        ("BIND", "127.0.0.1"),
        ("BIND", "http://127.0.0.1:9464"),
        ("BIND", "127.0.0.1:9464/metrics"),
        ("BIND", "127.0.0.1:99999"),
    ],
)
def test_what_would_open_too_much_or_nothing_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings({f"IDP_METRICS__{name}": value})
    assert f"IDP_METRICS__{name}" in str(error.value)
    assert name != "TOKEN" or value not in str(error.value)


@pytest.mark.parametrize(
    ("bind", "address"),
    [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:9464", ("::1", 9464)), ("", None)],
)
def test_addresses(bind: str, address: tuple[str, int] | None) -> None:
    assert metrics_address(load_settings({"IDP_METRICS__BIND": bind})) == address


def test_off_unless_one_of_them_is_set() -> None:
    assert not load_settings({}).metrics.is_on
    assert load_settings({"IDP_METRICS__TOKEN": "sixteen-characters"}).metrics.is_on
    assert load_settings({"IDP_METRICS__BIND": "127.0.0.1:9464"}).metrics.is_on
