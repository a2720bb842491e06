"""What a mail says, in the recipient's language: one template, dressed once as text and once as HTML.

A template in `templates/mail/` extends the variable `layout` and writes with the parts `m`. Both come in two files, one
for each dress, so that the text can never say anything else than the HTML.
"""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_gmt
from babel.support import Translations
from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp.core.resources import resource_dir, translations_dir

LANGUAGES: Final = ("en", "de")
_DOMAIN = "messages"
_LINE = 76
_inliner = CSSInliner(load_remote_stylesheets=False, keep_style_tags=False, keep_at_rules=True)


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A mail, ready to be sent."""

    subject: str
    text: str
    html: str


def render_mail(template: str, locale: str, values: Mapping[str, Any]) -> RenderedMail:
    """Fill in the template `mail/<template>.jinja`. Instants among the values are written for people.

    Values are data, never markup (WB2). Raises jinja2.TemplateError if the template is missing or lacks a value.
    """
    plain = _environment(locale, "txt").get_template(f"mail/{template}.jinja")
    dressed = _environment(locale, "html").get_template(f"mail/{template}.jinja")
    # White space of any kind becomes one space: a subject is one line, whatever its values are (WB3).
    subject = " ".join("".join(plain.blocks["subject"](plain.new_context(dict(values)))).split())
    text = _tidy(plain.render(values, subject=subject))
    html = _inliner.inline(dressed.render(values, subject=subject))
    return RenderedMail(subject, text, html)


def best_language(tag: str | None, default: str) -> str:
    """The language of mail for somebody who prefers `tag` (BCP 47), falling back from `de-AT` to `de`."""
    primary = (tag or "").lower().replace("_", "-").split("-")[0]
    return primary if primary in LANGUAGES else default


@lru_cache
def _environment(locale: str, dress: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resource_dir("templates")),
        autoescape=dress == "html",  # noqa: S701 - the text is no markup, and is never shown as such
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations = Translations.load(translations_dir(), [locale], _DOMAIN)
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    language = Locale.parse(locale)
    environment.globals.update(
        layout=f"mail/_layout.{dress}", parts=f"mail/_parts.{dress}", locale=locale, text_dir=language.text_direction
    )
    environment.filters.update(instant=_instant(language), day=_day(language), wrapped=_wrapped)
    return environment


def _instant(language: Locale) -> Callable[..., str]:
    """When something happened, to the minute, in the person's own time and with its distance from Greenwich."""

    def written(moment: str, zone: str = "UTC") -> str:
        at = datetime.fromisoformat(moment).astimezone(_zone(zone))
        day, time = format_date(at, "long", locale=language), format_time(at, "short", locale=language)
        return f"{day}, {time} ({get_timezone_gmt(at, locale=language)})"

    return written


def _day(language: Locale) -> Callable[..., str]:
    def written(moment: str, zone: str = "UTC") -> str:
        at = datetime.fromisoformat(moment).astimezone(_zone(zone))
        return format_date(at, "long", locale=language)

    return written


def _zone(name: str) -> tzinfo:
    """The time zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _wrapped(text: str) -> str:
    """A paragraph in lines that every mail program shows whole; links and codes are never broken."""
    return textwrap.fill(" ".join(text.split()), _LINE, break_long_words=False, break_on_hyphens=False)


def _tidy(text: str) -> str:
    """Never more than one empty line, none at either end."""
    paragraphs = [block.strip("\n") for block in text.split("\n\n")]
    return "\n\n".join(block for block in paragraphs if block.strip()) + "\n"
