"""Human-readable metadata in several languages: `client_name#de` (RFC 7591 §2.2)."""

import re
from collections.abc import Mapping
from typing import Any

from idp.core.errors import Invalid

LOCALIZABLE = frozenset({"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"})
MAX_TRANSLATIONS = 200
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,7}")  # the shape of BCP 47 tags


def split_localized(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Separate the plain members from the language-tagged ones. Raises Invalid for a malformed tag.

    Tags on members that are not human-readable are ignored, as unknown members are.
    """
    plain = {name: value for name, value in values.items() if "#" not in name}
    localized: dict[str, str] = {}
    for name in values.keys() - plain.keys():
        member, _, tag = name.partition("#")
        if member not in LOCALIZABLE:
            continue
        if not _LANGUAGE_TAG.fullmatch(tag):
            raise Invalid(f"{member} has a malformed language tag", member)
        if not isinstance(values[name], str):
            raise Invalid(f"{name} must be a string", name)
        localized[name] = values[name]
    if len(localized) > MAX_TRANSLATIONS:
        raise Invalid(f"at most {MAX_TRANSLATIONS} translations are accepted")
    return plain, dict(sorted(localized.items()))


def in_language(localized: Mapping[str, str], member: str, locale: str) -> str | None:
    """The translation for a BCP 47 locale, else for its bare language (RFC 4647 §3.4 lookup), else None."""
    if not localized:
        return None
    by_name = {name.lower(): text for name, text in localized.items()}
    tag = locale.lower().replace("_", "-")
    while tag:
        if (text := by_name.get(f"{member}#{tag}")) is not None:
            return text
        tag = tag.rpartition("-")[0]
    return None
