"""Auth0: a user export, the export of password hashes that its support makes, or a file for its own import."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from idp.core.errors import Invalid
from idp.engine.user_import.record import ImportedUser, flag, instant, member, present, text, texts
from idp.identity.credentials.legacy_hashes import LegacyHash, read_hash
from idp.identity.credentials.legacy_hashes.notations import base64_bytes, scrypt_hash

_ENCODINGS: Final[Mapping[str, Callable[[str], bytes]]] = MappingProxyType({
    "base64": base64_bytes,
    "hex": bytes.fromhex,
    "utf8": str.encode,
})  # fmt: skip
_SELF_DESCRIBING = ("bcrypt", "argon2", "pbkdf2")


def read(row: Mapping[str, Any]) -> ImportedUser:
    """One user. Raises Invalid."""
    email = text(row, "email")
    notes: list[str] = []
    password = None
    try:
        password = _password(row)
    except (Invalid, ValueError) as error:
        reason = str(error) if isinstance(error, Invalid) else "the hash is damaged"
        notes.append(f"the password was left behind: {reason}")
    username = text(row, "username")
    name = text(row, "name")
    number = text(row, "phone_number")
    claims = {
        "name": None if name == email else name,  # which Auth0 puts there if it knows no better
        "given_name": text(row, "given_name"),
        "family_name": text(row, "family_name"),
        "nickname": text(row, "nickname"),
        "picture": text(row, "picture"),
        "preferred_username": username,
        "locale": text(row, "locale"),
        "phone_number": number,
        "phone_number_verified": flag(row, "phone_verified", default=False) if number else None,
    }
    return ImportedUser(
        email=email,
        email_verified=flag(row, "email_verified", default=False),
        is_active=not flag(row, "blocked", default=False),
        id=_id(row),
        created_at=instant(row.get("created_at")),
        claims=present(claims),
        password=password,
        totp_seed=_totp_seed(row),
        roles=texts(member(row, "app_metadata").get("roles")),
        notes=tuple(notes),
    )


def _id(row: Mapping[str, Any]) -> str | None:
    given = text(row, "user_id") or text(row, "id")
    oid = text(member(row, "_id"), "$oid")
    return given or (f"auth0|{oid}" if oid else None)


def _password(row: Mapping[str, Any]) -> LegacyHash | None:
    plain = text(row, "passwordHash") or text(row, "password_hash") or text(row, "passwordhash")
    if plain is not None:
        return read_hash(plain)
    custom = member(row, "custom_password_hash")
    if not custom:
        return None
    algorithm, made, salt = text(custom, "algorithm"), member(custom, "hash"), member(custom, "salt")
    value = text(made, "value")
    if value is None:
        raise Invalid("it has no hash")
    if algorithm in _SELF_DESCRIBING:
        return read_hash(value)
    if algorithm == "scrypt":
        names = ("cost", "blockSize", "parallelization")
        n, r, p = (_number(custom.get(name, default)) for name, default in zip(names, (16384, 8, 1), strict=True))
        return scrypt_hash(n, r, p, _decoded(salt, "utf8"), _decoded(made, "base64"))
    raise Invalid("the hash is of a kind that is guessed too fast to be taken over")


def _decoded(part: Mapping[str, Any], usual: str) -> bytes:
    decode = _ENCODINGS.get(text(part, "encoding") or usual)
    if decode is None:
        raise Invalid("the hash has an unknown encoding")
    return decode(text(part, "value") or "")


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("a cost of the hash is no number")
    return value


def _totp_seed(row: Mapping[str, Any]) -> str | None:
    factors = row.get("mfa_factors")
    for factor in factors if isinstance(factors, list) else ():
        seed = text(member(factor, "totp"), "secret") if isinstance(factor, Mapping) else None
        if seed is not None:
            return seed
    return None
