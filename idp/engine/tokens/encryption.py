"""What a client wants encrypted to its public key: ID tokens, logout tokens, UserInfo (OpenID Connect Core §10.2)."""

from typing import Final

from joserfc.jwk import KeySet

from idp.identity.clients.client import Client
from idp.identity.clients.published_keys import ClientKeys
from idp.services.keys.jwe import NoEncryptionKey, encrypt, recipient_of

_NESTED: Final = "JWT"  # RFC 7519 §5.2


class Encryption:
    """Signed first, then encrypted; or left as it is for a client that registered nothing (§16.14)."""

    def __init__(self, client_keys: ClientKeys) -> None:
        self._client_keys = client_keys

    def ensure_possible(self, client: Client) -> None:
        """Look for the key that the client's ID tokens will be encrypted to, before anything is used up for them.

        It may have to be fetched, from a site that may be down. Raises NoEncryptionKey.
        """
        alg = client.metadata.id_token_encrypted_response_alg
        if alg is not None:
            recipient_of(self._keys_of(client), alg)

    def of_id_token(self, client: Client, token: str) -> str:
        """The ID token as the client registered for it. Raises NoEncryptionKey."""
        metadata = client.metadata
        alg, enc = metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc
        return token if alg is None else self._encrypted(client, token, alg, enc, _NESTED)

    def of_logout_token(self, client: Client, token: str, issuer: str) -> str:
        """The logout token, encrypted like ID tokens (Back-Channel Logout §2.4). Raises NoEncryptionKey."""
        metadata = client.metadata
        alg, enc = metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc
        return token if alg is None else self._encrypted(client, token, alg, enc, _NESTED, issuer)

    def of_userinfo(self, client: Client, content: str | bytes, *, is_signed: bool) -> str:
        """The UserInfo response for a client that registered encryption of it (§5.3.2). Raises NoEncryptionKey."""
        metadata = client.metadata
        alg, enc = metadata.userinfo_encrypted_response_alg, metadata.userinfo_encrypted_response_enc
        return self._encrypted(client, content, alg or "", enc, _NESTED if is_signed else None)

    def _encrypted(
        self,
        client: Client,
        content: str | bytes,
        alg: str,
        enc: str | None,
        content_type: str | None,
        issuer: str | None = None,
    ) -> str:
        return encrypt(self._keys_of(client), content, alg=alg, enc=enc, content_type=content_type, issuer=issuer)

    def _keys_of(self, client: Client) -> KeySet:
        keys = self._client_keys.of(client)
        if keys is None:
            raise NoEncryptionKey("the client has no public keys, or they cannot be read")
        return keys
