"""Hashes made by the software that other systems are built on, for the importer to be measured by.

`tests/unit/legacy_hashes.json` was written by this file, run in an environment of its own, so that the product's tests
need none of it:

    uv run --no-project --with django --with passlib --with werkzeug --with bcrypt --with argon2-cffi \
        python tests/helpers/legacy_hashes.py > tests/unit/legacy_hashes.json
"""

import base64
import hashlib
import json
import secrets
import string
from typing import Any

PASSWORD = "pässwörd of old 🔑"
LONG = "the owl and the pussycat went to sea in a beautiful pea green boat, with honey and money"
"""More than the 72 bytes that bcrypt reads."""


def django_hashes(password: str) -> dict[str, str]:
    """By Django's own hashers, at a fraction of their usual cost where they let us."""
    import django
    from django.conf import settings
    from django.contrib.auth import hashers

    if not settings.configured:
        names = ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5")
        settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in names])
        django.setup()
    made = {}
    for algorithm in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"):
        hasher: Any = hashers.get_hasher(algorithm)
        if algorithm.startswith("bcrypt"):
            hasher.rounds = 5
        cheap = {"iterations": 1000} if algorithm.startswith("pbkdf2") else {}
        # The bcrypt library of today refuses what it used to cut off.
        shortened = password[:72] if algorithm == "bcrypt" else password
        made[f"django {algorithm}"] = hasher.encode(shortened, hasher.salt(), **cheap)
    return made


def passlib_hashes(password: str) -> dict[str, str]:
    """By passlib."""
    from passlib import hash as schemes

    made = {}
    for name in ("pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512"):
        made[f"passlib {name}"] = getattr(schemes, name).using(rounds=1000).hash(password)
    made["passlib scrypt"] = schemes.scrypt.using(rounds=12).hash(password)
    return made


def werkzeug_hashes(password: str) -> dict[str, str]:
    """By werkzeug, at its default cost and at a small one."""
    from werkzeug.security import generate_password_hash

    methods = ("scrypt", "scrypt:4096:8:1", "pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000")
    return {f"werkzeug {method}": generate_password_hash(password, method) for method in methods}


def plain_hashes(password: str) -> dict[str, str]:
    """By the bcrypt and argon2 libraries themselves."""
    import argon2
    import bcrypt

    octets = password.encode()[:72]
    made = {}
    for prefix in ("2a", "2b"):
        made[f"bcrypt {prefix}"] = bcrypt.hashpw(octets, bcrypt.gensalt(5, prefix.encode())).decode()
    made["bcrypt 2y"] = made["bcrypt 2b"].replace("$2b$", "$2y$")
    for kind in argon2.Type:
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=256, parallelism=2, type=kind)
        made[f"argon2 {kind.name}"] = hasher.hash(password)
    return made


def keycloak_credential(password: str, algorithm: str = "pbkdf2-sha256", length: int = 32) -> dict[str, Any]:
    """A credential of a realm export, as Keycloak's documentation of its storage describes it."""
    salt = secrets.token_bytes(16)
    data: dict[str, Any]
    if algorithm == "argon2":
        import argon2

        digest = argon2.low_level.hash_secret_raw(password.encode(), salt, 5, 7168, 1, 32, argon2.Type.ID)
        more = {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
        data = {"hashIterations": 5, "algorithm": "argon2", "additionalParameters": more}
    else:
        name = {"pbkdf2": "sha1"}.get(algorithm, algorithm.removeprefix("pbkdf2-"))
        digest = hashlib.pbkdf2_hmac(name, password.encode(), salt, 1000, length)
        data = {"hashIterations": 1000, "algorithm": algorithm, "additionalParameters": {}}
    secret = {
        "value": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "additionalParameters": {},
    }
    return {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}


def keycloak_otp(secret: str | None = None) -> dict[str, Any]:
    """A one-time code generator of a realm export: the secret is text, whose bytes are the key."""
    secret = secret or "".join(secrets.choice(string.ascii_letters) for _ in range(20))
    data = {"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}
    return {"type": "otp", "secretData": json.dumps({"value": secret}), "credentialData": json.dumps(data)}


def main() -> None:
    """Print the hashes of both passwords as JSON."""
    made = {}
    for password in (PASSWORD, LONG):
        kinds = [plain_hashes(password), django_hashes(password), werkzeug_hashes(password)]
        kinds.append(passlib_hashes(password))
        made[password] = {name: text for kind in kinds for name, text in kind.items()}
    print(json.dumps(made, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
