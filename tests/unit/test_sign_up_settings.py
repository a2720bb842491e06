"""The settings of registration: what cannot work refuses to start."""

import pytest
from pydantic import ValidationError

from idp.core.sign_up_settings import SignUp


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "shop.xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_denied_however_it_is_written(written: str, domain: str) -> None:
    assert not SignUp(denied_domains=(written,)).admits(domain)
    assert SignUp(allowed_domains=(written,)).admits(domain)


@pytest.mark.parametrize(
    "written", ["", "example", "a@example.com", "mail*.example.com", "*.*.example.com", "*.com", "a..b"]
)
def test_what_is_no_domain_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="is no domain"):
        SignUp(denied_domains=(written,))


@pytest.mark.parametrize("version", ["", "x" * 65, "one\ntwo"])
def test_a_version_that_nobody_could_accept_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match="terms_version"):
        SignUp(terms_url="https://id.example/terms", terms_version=version)
    assert SignUp(terms_url="https://id.example/terms", terms_version="x" * 64).documents
