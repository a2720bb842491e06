"""Where the files that travel with the product lie: in the wheel, or at the top of a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_PACKAGED = _PACKAGE / "_resources"


def resource_dir(name: str) -> Path:
    """The directory `templates`, `static` or `migrations`.

    Raises FileNotFoundError if the installation is incomplete.
    """
    for candidate in (_PACKAGED / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation of idp lacks its '{name}' directory")


def translations_dir() -> Path:
    """The directory of the gettext catalogues."""
    return _PACKAGE / "translations"
