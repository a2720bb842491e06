"""Key pairs, and the raw signatures of JWS algorithms (RFC 7518 §3, RFC 8037 §3.1)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.core.setting_sections import EncryptionAlgorithm, KeyAlgorithm

ENCRYPTION_ALGORITHMS: tuple[str, ...] = get_args(EncryptionAlgorithm)
PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey

_HASH = SHA256()
_PKCS1 = padding.PKCS1v15()
# RFC 7518 §3.5: MGF1 with the same hash, and a salt as long as the hash.
_PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)
_ECDSA = ec.ECDSA(SHA256())
_P256_BYTES = 32


class Signer(Protocol):
    """Makes raw JWS signatures with one key; the key may live elsewhere."""

    @property
    def kid(self) -> str:
        """The key's name in the JWKS."""
        ...

    @property
    def alg(self) -> str:
        """The JWS algorithm."""
        ...

    def sign(self, signing_input: bytes) -> bytes:
        """The signature over the JWS signing input (RFC 7515 §5.1 step 5), not yet base64url."""
        ...


class LocalSigner:
    """A signer whose private key is in this process. Raises ValueError if key and algorithm do not fit."""

    __slots__ = ("alg", "kid", "sign")

    def __init__(self, kid: str, alg: str, private_key: PrivateKey) -> None:
        self.kid = kid
        self.alg = alg
        self.sign: Callable[[bytes], bytes] = _signature_function(alg, private_key)

    def __repr__(self) -> str:
        return f"LocalSigner(kid={self.kid!r}, alg={self.alg!r})"


def _signature_function(alg: str, key: PrivateKey) -> Callable[[bytes], bytes]:
    if isinstance(key, RSAPrivateKey) and alg in ("RS256", "PS256"):
        rsa_sign, scheme = key.sign, _PKCS1 if alg == "RS256" else _PSS
        return lambda signing_input: rsa_sign(signing_input, scheme, _HASH)
    if isinstance(key, ec.EllipticCurvePrivateKey) and alg == "ES256" and isinstance(key.curve, ec.SECP256R1):
        ec_sign = key.sign

        def sign_es256(signing_input: bytes) -> bytes:
            # RFC 7518 §3.4: the two integers side by side, not the DER structure.
            r, s = decode_dss_signature(ec_sign(signing_input, _ECDSA))
            return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)

        return sign_es256
    if isinstance(key, Ed25519PrivateKey) and alg == "EdDSA":
        return key.sign
    raise ValueError(f"this private key cannot sign {alg}")


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedKey:
    """A new key pair. `private_key` is unencrypted PKCS #8 DER: seal it before it goes anywhere."""

    kid: str
    alg: str
    public_jwk: dict[str, Any]
    private_key: bytes

    def __repr__(self) -> str:
        return f"GeneratedKey(kid={self.kid!r}, alg={self.alg!r})"


def generate_key(alg: KeyAlgorithm, rsa_bits: int = 2048) -> GeneratedKey:
    """Make a key pair for `alg`. RSA takes tens to hundreds of milliseconds: never inside a transaction."""
    private_key: PrivateKey
    if alg in ("RS256", "PS256", "RSA-OAEP-256"):
        private_key = generate_private_key(public_exponent=65537, key_size=rsa_bits)
    elif alg in ("ES256", "ECDH-ES"):
        private_key = ec.generate_private_key(ec.SECP256R1())
    elif alg == "EdDSA":
        private_key = Ed25519PrivateKey.generate()
    else:
        raise ValueError(f"unknown algorithm {alg}")
    public_jwk = public_jwk_of(private_key, alg)
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return GeneratedKey(public_jwk["kid"], alg, public_jwk, der)


def public_jwk_of(private_key: PrivateKey, alg: str) -> dict[str, Any]:
    """The public JWK (RFC 7517 §4) as we publish it; `kid` is its thumbprint (RFC 7638)."""
    key: RSAKey | ECKey | OKPKey
    use = "enc" if alg in ENCRYPTION_ALGORITHMS else "sig"
    if isinstance(private_key, RSAPrivateKey):
        key = RSAKey.import_key(private_key.public_key())
    elif isinstance(private_key, ec.EllipticCurvePrivateKey):
        key = ECKey.import_key(private_key.public_key())
    else:
        key = OKPKey.import_key(private_key.public_key())
    return {**key.as_dict(private=False), "use": use, "alg": alg, "kid": key.thumbprint()}


def load_private_key(der: bytes) -> PrivateKey:
    """Load PKCS #8 DER that we wrote ourselves and that authenticated decryption has vouched for.

    Checking an RSA key's arithmetic again would cost 50 ms. Raises ValueError on anything else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise ValueError("not a key of a kind we use")
    return key


def private_jwk(private_key: PrivateKey) -> RSAKey | ECKey:
    """The key as joserfc takes it, to decrypt with. Raises ValueError for a kind that cannot."""
    if isinstance(private_key, RSAPrivateKey):
        return RSAKey.import_key(private_key)
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return ECKey.import_key(private_key)
    raise ValueError("this key cannot decrypt")
