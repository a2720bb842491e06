"""Settings as they stand in the environment: `IDP_` variables, nested by `__`, any of them also as a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from idp.core.errors import ConfigurationError

PREFIX = "IDP_"


def read_environment(model: type[BaseModel], environ: Mapping[str, str]) -> dict[str, Any]:
    """The `IDP_` variables as (nested) values for the fields of `model`, with `*_FILE` read.

    Raises ConfigurationError on unknown keys, and if a value is given both directly and as a file.
    """
    values: dict[str, Any] = {}
    unknown = []
    sources: dict[tuple[str, ...], str] = {}
    for name, raw in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        path = name[len(PREFIX) :].lower().split("__")
        is_file = path[-1].endswith("_file") and _field(model, path) is None
        if is_file:
            path[-1] = path[-1].removesuffix("_file")
        annotation = _field(model, path)
        if annotation is None:
            unknown.append(name)
            continue
        if raw == "":
            continue
        if (other := sources.setdefault(tuple(path), name)) != name:
            raise ConfigurationError(f"{other} and {name} are both set: remove one of them")
        if is_file and not (raw := _read_file(name, raw)):
            continue
        target = values
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = _split(raw, annotation) if "tuple" in str(annotation) else raw
    if unknown:
        raise ConfigurationError(
            "unknown settings: " + ", ".join(unknown) + " (see docs/reference/settings.md for the names)"
        )
    return values


def _field(model: type[BaseModel], path: list[str]) -> Any | None:
    """The type of the setting at `path`; None if there is none, or a whole section."""
    found: Any = model
    for part in path:
        fields = getattr(found, "model_fields", None)
        if not fields or part not in fields:
            return None
        found = fields[part].annotation
    is_section = isinstance(found, type) and issubclass(found, BaseModel)
    return None if is_section else found


def _split(raw: str, annotation: Any) -> list[str]:
    """The items of a list. A comma separates them too, except between secrets, of which it may be a part."""
    return raw.split() if SecretStr in get_args(annotation) else raw.replace(",", " ").split()


def _read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"{name} names a file that cannot be read: {error.strerror}: {path}") from None
