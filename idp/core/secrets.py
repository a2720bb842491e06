"""Where the two roots of trust come from: the environment, or files made on the first start of a development server."""

import os
import secrets
from pathlib import Path

from idp.core.crypto import Sealer, SecretRing, b64url, unb64url
from idp.core.errors import ConfigurationError
from idp.core.settings import Settings


def load_secret_ring(settings: Settings) -> SecretRing:
    """`IDP_SECRET_KEY` and its predecessors. In development a missing one is made and kept in `keys/`."""
    if settings.secret_key is not None:
        current = settings.secret_key.get_secret_value()
    else:
        current = _read_or_create(settings.keys_dir / "secret_key")
    previous = [secret.get_secret_value() for secret in settings.previous_secret_keys]
    try:
        return SecretRing([current, *previous])
    except ValueError as error:
        raise ConfigurationError(f"IDP_SECRET_KEY: {error}") from None


def load_sealer(settings: Settings) -> Sealer:
    """`IDP_KEY_ENCRYPTION_KEY` and its predecessors: 32 bytes each, base64url."""
    if settings.key_encryption_key is not None:
        current = settings.key_encryption_key.get_secret_value()
    else:
        current = _read_or_create(settings.keys_dir / "kek")
    texts = [current, *(key.get_secret_value() for key in settings.previous_key_encryption_keys)]
    try:
        return Sealer([unb64url(text.rstrip("=")) for text in texts])
    except ValueError:
        raise ConfigurationError("IDP_KEY_ENCRYPTION_KEY: each key is 32 bytes in base64url") from None


def new_secret() -> str:
    """256 random bits in base64url: fit for either root of trust."""
    return b64url(secrets.token_bytes(32))


def _read_or_create(path: Path) -> str:
    """The secret in a file that only we can read, made if it is not there; safe if two processes start at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read or create {path}: {error.strerror}") from None


def _create(path: Path) -> None:
    # Written under another name, then linked: a reader never sees half a secret, and the first writer wins.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(new_secret() + "\n")
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
