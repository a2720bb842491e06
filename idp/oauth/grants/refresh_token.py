"""The refresh token grant (RFC 6749 §6), with rotation and reuse detection (RFC 9700 §4.14.2)."""

from typing import Any

from idp.core.events import Event
from idp.engine.tokens import PresentedToken, Refresh
from idp.identity.clients.client import Client
from idp.oauth.errors import InvalidGrant, InvalidScope
from idp.oauth.grants.base import HEADERS, Grant
from idp.oauth.token_body import token_body
from idp.storage.db import reading, transaction

_NOT_VALID = "the refresh token is not valid"


class RefreshTokenGrant(Grant):
    """A refresh token is used once; using a spent one revokes the whole family."""

    GRANT_TYPE = "refresh_token"

    def validate_token_request(self) -> None:
        """RFC 6749 §6. Nothing is consumed yet: a request that asks for too much leaves the token usable."""
        self._client: Client = self.authenticated_client()
        value = self.request.required("refresh_token")
        with reading():
            self._look_up(value)
        self._target = self.target(self._client, self._scopes, self._presented.family.authorization.resources)
        self.ensure_encryption(self._client)

    def _look_up(self, value: str) -> None:
        """What the answer depends on, in one visit to the database. Raises InvalidGrant or InvalidScope."""
        presented = self.provider.tokens.refresh.read(value)
        if presented is None:
            raise InvalidGrant(_NOT_VALID, detail="unknown refresh token")
        authorization = presented.family.authorization
        if authorization.client_id != self._client.client_id:
            raise InvalidGrant(_NOT_VALID, detail="issued to another client")
        self._presented: PresentedToken = presented
        self._user, self._roles = self.active_user(authorization.user_id)
        self._scopes = self._narrowed(self._consented(self.allowed_now(self._client, authorization)))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 6749 §6; the ID token as OpenID Connect Core §12.2 has it: no nonce, the same auth_time."""
        tokens = self.provider.tokens
        generation = self._advance()
        family = self._presented.family
        authorization = family.authorization.narrowed(self._scopes)
        access_token = self.issue_access_token(authorization, self._target, family, self._roles)
        id_token = self.issue_id_token(self._client, self._user, authorization, access_token)
        refresh_token = None if generation is None else tokens.refresh.mint(family, generation)
        return 200, token_body(access_token, refresh_token=refresh_token, id_token=id_token), HEADERS

    def _advance(self) -> int | None:
        """Use the token; the generation of its successor, or None if the client keeps the one it has."""
        family = self._presented.family
        outcome, generation = Refresh.DEAD, 0
        with transaction():
            if self._session_allows():
                outcome, generation = self.provider.tokens.refresh.advance(
                    self._presented, rotate=self._client.rotate_refresh_tokens
                )
            if outcome is Refresh.REUSED:
                self.provider.tokens.families.revoke(family.id, "refresh_token_reused")
                self._record(Event.TOKEN_REUSED)
            elif outcome is not Refresh.DEAD:
                self._record(Event.TOKEN_REFRESHED, repeated=outcome is Refresh.REPEATED)
        # The revocation above is committed; only then is the client told.
        if outcome is Refresh.REUSED:
            raise InvalidGrant(_NOT_VALID, detail="a spent refresh token was used again: family revoked")
        if outcome is Refresh.DEAD:
            raise InvalidGrant(_NOT_VALID, detail="expired or revoked")
        return None if outcome is Refresh.KEPT else generation

    def _session_allows(self) -> bool:
        """Without offline access the tokens end with the browser session (OpenID Connect Core §11)."""
        authorization = self._presented.family.authorization
        if authorization.is_offline:
            return True
        return self.provider.sessions.hold(authorization.session_id or "") is not None

    def _narrowed(self, authorized: tuple[str, ...]) -> tuple[str, ...]:
        """RFC 6749 §6: the same scope or less."""
        requested = self.requested_scopes()
        if not set(requested) <= set(authorized):
            raise InvalidScope("the scope exceeds what was authorized")
        return tuple(scope for scope in authorized if scope in requested) if requested else authorized

    def _consented(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Those the person still allows: withdrawn consent ends the access, a declined scope leaves it (TK4)."""
        if not self._client.asks_for_consent:
            return scopes
        authorization = self._presented.family.authorization
        consent = self.provider.consents.get(authorization.user_id, self._client.client_id)
        kept = tuple(scope for scope in scopes if consent and scope in consent.scopes)
        if consent is None or not kept or not consent.allows((), authorization.resources):
            raise InvalidGrant(_NOT_VALID, detail="consent was withdrawn")
        return kept

    def _record(self, event: Event, **details: bool) -> None:
        authorization = self._presented.family.authorization
        self.provider.audit.record(
            event,
            actor=f"client:{self._client.client_id}",
            user_id=authorization.user_id,
            client_id=self._client.client_id,
            session_id=authorization.session_id,
            family=self._presented.family.id,
            **details,
        )
