"""Telling applications that a session is over (OpenID Connect Back-Channel Logout 1.0)."""

from collections.abc import Callable
from typing import Final

from idp.core.clock import now, timestamp
from idp.core.fetch import Fetcher, FetchError, FetchRefused
from idp.core.randomness import new_token
from idp.core.settings import Settings
from idp.engine.tokens import Encryption
from idp.identity.clients.registry import ClientRegistry
from idp.services.keys.jwe import NoEncryptionKey
from idp.services.keys.jws import sign_jwt
from idp.services.keys.keyset import Keyset, NoSigningKey
from idp.services.outbox import Dropped, Message, NotDelivered

TYP: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME: Final = 120
"""Seconds; the specification recommends two minutes at most (§4)."""


class BackChannelLogout:
    """Makes logout tokens and posts them to the clients that took part in a session."""

    def __init__(
        self, settings: Settings, clients: ClientRegistry, keyset: Keyset, encryption: Encryption, fetcher: Fetcher
    ) -> None:
        self._issuer = settings.issuer
        self._clients = clients
        self._keyset = keyset
        self._encryption = encryption
        self._fetcher = fetcher

    def prepare(self, message: Message) -> Callable[[], None]:
        """What sends the message (a `Handler` of the courier).

        Raises Dropped if the client wants none any more, NotDelivered if no key signs what it wants.
        """
        client = self._clients.get(message.recipient)
        uri = client.metadata.backchannel_logout_uri if client and client.is_enabled else None
        if client is None or uri is None:
            raise Dropped("the client has no backchannel_logout_uri")
        alg = client.metadata.id_token_signed_response_alg
        try:
            token = self._logout_token(client.client_id, alg, message.payload["sub"], message.payload["sid"])
        except NoSigningKey as error:
            raise NotDelivered(str(error)) from error

        def send() -> None:
            try:
                # §2.4: encrypted like the client's ID tokens, which may need a look at its keys.
                sent = self._encryption.of_logout_token(client, token, self._issuer)
                self._fetcher.post_form(uri, {"logout_token": sent})
            except (FetchError, NoEncryptionKey) as error:
                raise NotDelivered(str(error), is_refusal=isinstance(error, FetchRefused)) from error

        return send

    def _logout_token(self, client_id: str, alg: str, subject: str, session_id: str) -> str:
        """§2.4: never a `nonce`, so that it cannot pass for an ID token. A fresh `jti` for every attempt, because a
        client that refuses repeated ones may have failed after it noted the first."""
        issued_at = timestamp(now())
        claims = {
            "iss": self._issuer,
            "aud": client_id,
            "iat": issued_at,
            "exp": issued_at + LIFETIME,
            "jti": new_token(128),
            "events": {EVENT: {}},
            "sub": subject,
            "sid": session_id,
        }
        return sign_jwt(self._keyset.signer(alg), claims, TYP)
