"""Keycloak: the `users` of a realm export, with their credentials."""

import json
from base64 import b32encode
from collections.abc import Mapping
from typing import Any, Final

from idp.core.errors import Invalid
from idp.engine.user_import.record import ImportedUser, NotAPerson, flag, instant, member, present, text, texts
from idp.identity.credentials.legacy_hashes import LegacyHash, Recipe, read_hash
from idp.identity.credentials.legacy_hashes.derive import checked
from idp.identity.credentials.legacy_hashes.notations import base64_bytes, pbkdf2_hash

_PBKDF2: Final = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
_ARGON2_VERSIONS: Final = {"1.0": 0x10, "1.3": 0x13}
# The attributes that Keycloak's own mappers write into these claims, and how people like to call them.
_ATTRIBUTES: Final = {
    "middle_name": ("middleName", "middle_name"),
    "nickname": ("nickname",),
    "profile": ("profile",),
    "picture": ("picture",),
    "website": ("website",),
    "gender": ("gender",),
    "birthdate": ("birthdate", "birthDate"),
    "zoneinfo": ("zoneinfo",),
    "locale": ("locale",),
    "phone_number": ("phoneNumber", "phone_number", "phone"),
}
_ADDRESS: Final = {
    "formatted": "formatted",
    "street_address": "street",
    "locality": "locality",
    "region": "region",
    "postal_code": "postal_code",
    "country": "country",
}
_EVERYBODYS_ROLES = ("offline_access", "uma_authorization", "default-roles-")


def read(row: Mapping[str, Any]) -> ImportedUser:
    """One of `users`. Raises Invalid, or NotAPerson."""
    if row.get("serviceAccountClientId"):
        raise NotAPerson("it is the service account of a client")
    username, email = text(row, "username"), text(row, "email")
    if email is None and username is not None and "@" in username:
        email = username  # a realm in which addresses are user names need not have both
    password, totp_seed, notes = _credentials(row.get("credentials"))
    roles = tuple(role for role in texts(row.get("realmRoles")) if not role.startswith(_EVERYBODYS_ROLES))
    return ImportedUser(
        email=email,
        email_verified=flag(row, "emailVerified", default=False),
        is_active=flag(row, "enabled", default=True),
        id=text(row, "id"),
        created_at=instant(row.get("createdTimestamp")),
        claims=_claims(row, None if username == email else username),
        password=password,
        totp_seed=totp_seed,
        roles=roles,
        notes=notes,
    )


def _claims(row: Mapping[str, Any], username: str | None) -> dict[str, Any]:
    attributes = {name: _first(value) for name, value in member(row, "attributes").items()}
    claims: dict[str, Any] = {
        "preferred_username": username,
        "given_name": text(row, "firstName"),
        "family_name": text(row, "lastName"),
        "address": present({name: attributes.get(key) for name, key in _ADDRESS.items()}),
    }
    for claim, names in _ATTRIBUTES.items():
        claims[claim] = next((attributes[name] for name in names if attributes.get(name)), None)
    if claims["phone_number"] is not None:
        claims["phone_number_verified"] = flag(attributes, "phoneNumberVerified", default=False)
    return present(claims)


def _first(value: object) -> str | None:
    first = value[0] if isinstance(value, list) and value else value
    return first.strip() if isinstance(first, str) else None


def _credentials(value: object) -> tuple[LegacyHash | None, str | None, tuple[str, ...]]:
    password: LegacyHash | None = None
    totp_seed: str | None = None
    notes: list[str] = []
    for credential in value if isinstance(value, list) else ():
        kind = credential.get("type") if isinstance(credential, Mapping) else None
        try:
            if kind == "password" and password is None:
                password = _password(credential)
            elif kind in ("otp", "totp") and totp_seed is None:
                totp_seed = _totp_seed(credential)
            elif kind not in ("password", "otp", "totp"):
                notes.append(f"a credential of type '{str(kind)[:32]}' was left behind")
        except Invalid as error:
            notes.append(
                f"the {'password' if kind == 'password' else 'one-time code generator'} was left behind: {error}"
            )
    return password, totp_seed, tuple(notes)


def _password(credential: Mapping[str, Any]) -> LegacyHash:
    secret, data = _inner(credential, "secretData"), _inner(credential, "credentialData")
    # Up to Keycloak 7 the same lay flat in the credential.
    value = text(secret, "value") or text(credential, "hashedSaltedValue")
    salt = text(secret, "salt") or text(credential, "salt")
    algorithm = text(data, "algorithm") or text(credential, "algorithm")
    if value is None or algorithm is None:
        raise Invalid("it has no hash")
    if value.startswith("$"):
        return read_hash(value)  # an extension that writes the whole hash
    if salt is None:
        raise Invalid("it has no salt")
    iterations = _number(data.get("hashIterations", credential.get("hashIterations")))
    if algorithm == "argon2":
        return _argon2(member(data, "additionalParameters"), iterations, base64_bytes(salt), base64_bytes(value))
    if algorithm not in _PBKDF2:
        raise Invalid(f"there is no algorithm '{algorithm[:32]}' here")
    return pbkdf2_hash(_PBKDF2[algorithm], iterations, base64_bytes(salt), base64_bytes(value))


def _argon2(parameters: Mapping[str, Any], passes: int, salt: bytes, digest: bytes) -> LegacyHash:
    given = {name: _first(value) for name, value in parameters.items()}
    version = _ARGON2_VERSIONS.get(given.get("version") or "1.3")
    if version is None:
        raise Invalid("there is no such version of Argon2")
    costs = {"v": version, "m": _number(given.get("memory")), "t": passes, "p": _number(given.get("parallelism"))}
    kind = given.get("type") or "id"
    return LegacyHash(checked(Recipe(f"argon2{kind}", salt, len(digest), costs)), digest)


def _totp_seed(credential: Mapping[str, Any]) -> str:
    secret, data = _inner(credential, "secretData"), _inner(credential, "credentialData")
    value = text(secret, "value") or text(credential, "value")
    if value is None:
        raise Invalid("it has no secret")
    facts = (
        data.get("subType", credential.get("type")),
        data.get("digits", credential.get("digits", 6)),
        data.get("period", credential.get("period", 30)),
        data.get("algorithm", credential.get("algorithm", "HmacSHA1")),
    )
    if facts != ("totp", 6, 30, "HmacSHA1"):
        raise Invalid("only six digits every 30 seconds by SHA-1 are supported")
    if data.get("secretEncoding") == "BASE32":
        return value
    # The text itself is the key; what people typed into their generators is its base32.
    return b32encode(value.encode("utf-8", "replace")).decode("ascii").rstrip("=")


def _inner(credential: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """JSON within JSON, as Keycloak writes it."""
    value = credential.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Invalid(f"'{name}' is not JSON") from None
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Invalid("a number is missing")
    try:
        return int(value)
    except ValueError:
        raise Invalid("a number is missing") from None
