"""What mails say: every template in every language, as text and as HTML, and nothing that a value could smuggle in."""

import re
from typing import Any

import pytest

from idp.core.resources import resource_dir
from idp.services.notify.rendering import LANGUAGES, RenderedMail, best_language, render_mail

HOSTILE = '<a href="https://evil.example">Win\r\nBcc: all@example.com</a>'
VALUES: dict[str, Any] = {
    "to": "ann@example.com",
    "product_name": "Acme",
    "issuer": "https://id.example",
    "support_url": "https://help.example",
    "sign_in_url": "https://id.example/signin/",
    "recover_url": "https://id.example/recover",
    "applications_url": "https://id.example/account/applications",
    "data_url": "https://id.example/account/data",
    "erase_after": "2026-02-14T10:00:00+00:00",
    "url": "https://id.example/link/x?token=" + "t" * 43,
    "code": "012345",
    "minutes": 10,
    "at": "2026-01-31T10:00:00+00:00",
    "until": "2026-02-03T10:00:00+00:00",
    "zone": "Europe/Berlin",
    "device": "Firefox on Linux",
    "ip_address": "2001:db8::1",
    "application": "Shop",
    "new_address": "a••• @example.net",
}
TEMPLATES = sorted(path.stem for path in (resource_dir("templates") / "mail").glob("*.jinja"))


def rendered(template: str, locale: str = "en", **values: Any) -> RenderedMail:
    return render_mail(template, locale, {**VALUES, **values})


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_every_mail_says_the_same_in_both_dresses(template: str, locale: str) -> None:
    mail = rendered(template, locale)
    assert "\n" not in mail.subject
    assert mail.text.startswith(mail.subject.split()[0])
    # Each link of the HTML stands in the text, too.
    links = set(re.findall(r'href="([^"]+)"', mail.html))
    assert links
    assert [link for link in links if link not in mail.text] == []
    assert "ann@example.com" in mail.text
    assert "{{" not in mail.text + mail.html
    assert max(len(line) for line in mail.text.splitlines() if "://" not in line) <= 76
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_mail_is_translated(template: str) -> None:
    assert rendered(template, "de").subject != rendered(template, "en").subject


@pytest.mark.parametrize("template", TEMPLATES)
def test_styles_stand_on_the_elements(template: str) -> None:
    """Mail programs drop style sheets; what is left in one is for the dark."""
    html = rendered(template).html
    sheets = re.findall(r"<style>(.*?)</style>", html, re.S)
    assert all(sheet.strip().startswith("@media") for sheet in sheets)
    assert re.search(r'<div class="card" style="[^"]*max-width', html)


def test_wb2_values_are_text_and_never_markup() -> None:
    mail = rendered("application_authorized", application=HOSTILE)
    assert '<a href="https://evil' not in mail.html
    assert "&lt;a href=" in mail.html


def test_wb3_a_subject_is_one_line_whatever_is_in_it() -> None:
    assert "\n" not in rendered("application_authorized", application=HOSTILE).subject


def test_times_are_written_in_the_zone_of_the_person() -> None:
    assert "January 31, 2026" in rendered("password_changed").text
    assert "11:00:00" in rendered("password_changed").text
    assert "31. Januar 2026" in rendered("password_changed", "de").text


def test_what_is_not_known_is_not_spoken_of() -> None:
    assert "Device" not in rendered("password_changed", device=None).text


@pytest.mark.parametrize(
    ("tag", "language"), [("de-AT", "de"), ("DE", "de"), ("de_CH", "de"), ("fr", "en"), (None, "en"), ("", "en")]
)
def test_the_language_falls_back(tag: str | None, language: str) -> None:
    assert best_language(tag, "en") == language
