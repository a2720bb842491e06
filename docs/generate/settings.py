"""reference/settings.md"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.generate.docstrings import attribute_docstrings
from docs.generate.markdown import code, page, sentence, table
from idp.core.settings import PREFIX, Settings

_BOUNDS = {"Ge": ("ge", "≥ {}"), "Gt": ("gt", "> {}"), "Le": ("le", "≤ {}"), "Lt": ("lt", "< {}")}
_SIMPLE = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    SecretStr: "secret",
}

_INTRODUCTION = """
Every setting is an environment variable. A name that starts with `IDP_` and is not listed here keeps idp from starting,
because a misspelled security setting that is silently ignored is worse than no server. An empty value counts as unset.

Any of them can be read from a file instead: append `_FILE` and give the path, as in
`IDP_SECRET_KEY_FILE=/run/secrets/secret_key`. That is the way to hand over secrets; line breaks at the end of the file
are dropped. Lists are separated by spaces or commas. Durations are in seconds.

With `IDP_ENVIRONMENT=production` idp refuses to start without `IDP_SECRET_KEY`, without a key-encryption key, and with
an issuer that is neither `https://` nor on this machine. `idp doctor` shows what the settings lead to.
"""


def settings_page() -> str:
    """Every setting, a table for each section."""
    return page("Settings", _INTRODUCTION, *_sections(Settings, PREFIX, "General"))


def setting_names() -> list[str]:
    """The name of every setting, as in the environment."""
    return [name for _, rows in walk(Settings, PREFIX) for name, _, _ in rows]


def _sections(model: type[BaseModel], prefix: str, title: str) -> Iterator[str]:
    for section, rows in walk(model, prefix):
        heading = section.__name__ if section is not Settings else title
        lead = "" if section is Settings else sentence(section.__doc__)
        body = [(code(name), text, _kind(field), _default(field.default)) for name, field, text in rows]
        yield f"## {_title(heading)}\n\n{lead}".strip()
        yield table(("setting", "what it does", "value", "default"), body)


def walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[type[BaseModel], list[tuple[str, FieldInfo, str]]]]:
    """Each section with its settings: name, field, description."""
    texts = attribute_docstrings(model)
    rows, inner = [], []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            inner.append((annotation, f"{prefix}{name.upper()}__"))
        else:
            rows.append((prefix + name.upper(), field, texts.get(name, "")))
    yield model, rows
    for section, section_prefix in inner:
        yield from walk(section, section_prefix)


def _title(name: str) -> str:
    return {"PasswordSettings": "Passwords", "Fetch": "Outbound requests"}.get(name, name)


def _kind(field: FieldInfo) -> str:
    """The type and its bounds in words."""
    words = _type(field.annotation)
    bounds = []
    for bound in field.metadata:
        attribute, pattern = _BOUNDS.get(type(bound).__name__, ("", ""))
        if attribute:
            bounds.append(pattern.format(getattr(bound, attribute)))
    return ", ".join([words, *bounds])


def _type(annotation: Any) -> str:
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    choices = get_args(annotation)
    if get_origin(annotation) is tuple:
        return "list of " + {"text": "texts", "secret": "secrets"}.get(_type(choices[0]), _type(choices[0]))
    if all(isinstance(choice, str) for choice in choices):
        return ", ".join(code(choice) for choice in choices)
    return _type(next(choice for choice in choices if choice is not type(None)))


def _default(value: Any) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(" ".join(map(str, value)) if isinstance(value, tuple) else str(value))
