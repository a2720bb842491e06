"""What mails say: every template in every language, as text and as HTML, and nothing that a value could smuggle in."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from idp.services.notify.rendering import LANGUAGES, RenderedMail, best_language, render_mail
from tests.helpers.sample_mail import TEMPLATES, VALUES

HOSTILE = '<a href="https://evil.example">Win\r\nBcc: all@example.com</a>'


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
    assert re.search(r'<table class="card" [^>]*style="[^"]*max-width', html)


def test_wb2_values_are_text_and_never_markup() -> None:
    mail = rendered("application_authorized", application=HOSTILE)
    assert '<a href="https://evil' not in mail.html
    assert "&lt;a href=" in mail.html


def test_wb3_a_subject_is_one_line_whatever_is_in_it() -> None:
    assert "\n" not in rendered("application_authorized", application=HOSTILE).subject


def test_times_are_written_in_the_zone_of_the_person() -> None:
    assert "January 31, 2026, 11:00\u202fAM (GMT+01:00)" in rendered("password_changed").text
    assert "31. Januar 2026, 11:00 (GMT+01:00)" in rendered("password_changed", "de").text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "a\x00b", "UTC"])
def test_a_zone_that_is_none_keeps_no_mail_from_being_written(zone: str) -> None:
    assert "10:00" in rendered("password_changed", zone=zone).text
    assert "(GMT+00:00)" in rendered("password_changed", zone=zone).text


class Words(HTMLParser):
    """What a mail program shows of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_hidden = self._is_hidden or tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden = self._is_hidden and tag not in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._is_hidden:
            self.said += data.split()


def shown(mail: RenderedMail) -> Words:
    words = Words()
    words.feed(mail.html)
    return words


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_text_says_what_the_html_says(template: str, locale: str) -> None:
    """A filter takes two dresses that say different things for fraud; a person would miss something."""

    def words(text: str) -> set[str]:
        return set(re.findall(r"[^\W_]+", text))

    mail = rendered(template, locale)
    html = " ".join(shown(mail).said + [link["href"] or "" for tag, link in shown(mail).elements if tag == "a"])
    for hint in ("If the button does not work, open this address:",
                 "Wenn die Schaltfläche nicht funktioniert, öffnen Sie diese Adresse:"):  # fmt: skip
        html = html.replace(hint, "")
    assert words(html) == words(mail.text)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_asks_for_nothing_from_elsewhere(template: str) -> None:
    """Nothing that tells who has read it, nothing that a mail program blocks, and enough text to be believed."""
    mail = rendered(template)
    elements = shown(mail).elements
    assert {tag for tag, _ in elements} <= {
        "html", "head", "meta", "title", "style", "body", "table", "tbody", "tr", "td", "p", "h1", "a", "br", "bdi",
    }  # fmt: skip
    assert not re.search(r"url\(|@import|javascript:|data:", mail.html)
    assert all(attributes["href"].startswith("https://") for tag, attributes in elements if tag == "a")  # type: ignore[union-attr]
    assert all(attributes.get("role") == "presentation" for tag, attributes in elements if tag == "table")
    assert len(mail.text) / len(mail.html) > 0.04
    assert len(mail.html) < 20_000, "a mail program cuts off what is longer than 100 kB, and a phone has to load it"


def test_what_is_not_known_is_not_spoken_of() -> None:
    assert "Device" not in rendered("password_changed", device=None).text


@pytest.mark.parametrize(
    ("tag", "language"), [("de-AT", "de"), ("DE", "de"), ("de_CH", "de"), ("fr", "en"), (None, "en"), ("", "en")]
)
def test_the_language_falls_back(tag: str | None, language: str) -> None:
    assert best_language(tag, "en") == language
