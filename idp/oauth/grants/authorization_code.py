"""The authorization code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.6)."""

import re
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp.core.crypto import constant_time_equal
from idp.core.events import Event
from idp.engine.tokens import Authorization, AuthorizationCode, CodeReused, Family, UnknownCode
from idp.identity.clients.client import Client
from idp.oauth.errors import InvalidGrant
from idp.oauth.grants.base import HEADERS, Grant
from idp.oauth.participation import consent_holds, joins_session
from idp.oauth.registered_errors import registered_errors
from idp.oauth.token_body import token_body
from idp.storage.db import transaction

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


class AuthorizationCodeGrant(Grant):
    """A code is redeemed once, by its client, with its redirect URI and verifier."""

    GRANT_TYPE = "authorization_code"

    def validate_token_request(self) -> None:
        """RFC 6749 §4.1.3. The code is consumed here: whatever fails after that has burned it."""
        self._client: Client = self.authenticated_client()
        value = self.request.required("code")
        self.ensure_encryption(self._client)
        self._code = self._redeem(value, self._client)
        self._check_redirect_uri(self._code)
        self._check_verifier(self._code)
        authorization = self._code.authorization
        self._user, self._roles = self.active_user(authorization.user_id)
        self._authorization = authorization.narrowed(self.allowed_now(self._client, authorization))
        self._target = self.target(self._client, self._authorization.scopes, authorization.resources)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 6749 §4.1.4, OpenID Connect Core §3.1.3.3."""
        tokens = self.provider.tokens
        authorization = self._authorization
        with_refresh_token = self._client.allows_grant("refresh_token")
        family = self._store_family(authorization, with_refresh_token=with_refresh_token)
        self._revoke_if_raced(family)
        access_token = self.issue_access_token(authorization, self._target, family, self._roles)
        id_token = self.issue_id_token(self._client, self._user, authorization, access_token, self._code.nonce)
        refresh_token = tokens.refresh.mint(family, family.generation) if with_refresh_token else None
        return 200, token_body(access_token, refresh_token=refresh_token, id_token=id_token), HEADERS

    def _store_family(self, authorization: Authorization, *, with_refresh_token: bool) -> Family:
        try:
            with transaction(), registered_errors():
                if not joins_session(self._code.authorization, self._client):
                    raise InvalidGrant("the authorization code is not valid", detail="the session has ended")
                if not consent_holds(authorization, self._client):
                    raise InvalidGrant("the authorization code is not valid", detail="consent was withdrawn")
                family = self.provider.tokens.families.create(
                    self._code.family_id,
                    authorization,
                    code_hash=self._code.hash,
                    with_refresh_token=with_refresh_token,
                )
                self.provider.audit.record(
                    Event.TOKEN_ISSUED,
                    actor=f"client:{self._client.client_id}",
                    user_id=authorization.user_id,
                    client_id=self._client.client_id,
                    session_id=authorization.session_id,
                    grant_type=self.GRANT_TYPE,
                    family=family.id,
                    scopes=list(authorization.scopes),
                )
        except InvalidGrant as error:
            # A store that came back from a crash may give a code out twice; the database does not take it twice.
            if isinstance(error.__cause__, CodeReused):
                self._revoke(error.__cause__.family_id, self._client)
            raise
        return family

    def _redeem(self, value: str, client: Client) -> AuthorizationCode:
        try:
            with registered_errors():
                return self.provider.tokens.codes.redeem(value, client.client_id)
        except InvalidGrant as error:
            cause = error.__cause__
            if isinstance(cause, CodeReused):
                self._revoke(cause.family_id, client)
            elif isinstance(cause, UnknownCode):
                family = self.provider.tokens.families.find_by_code(cause.code_hash)
                if family is not None and family.authorization.client_id == client.client_id:
                    self._revoke(family.id, client)
            raise

    def _revoke(self, family_id: str, client: Client) -> None:
        """RFC 6749 §4.1.2, RFC 9700 §4.5: reuse means the code leaked; what came of it cannot be trusted."""
        with transaction():
            self.provider.tokens.families.revoke(family_id, "code_reused")
            self.provider.audit.record(
                Event.CODE_REUSED,
                actor=f"client:{client.client_id}",
                client_id=client.client_id,
                family=family_id,
            )

    def _revoke_if_raced(self, family: Family) -> None:
        """A second presentation that came before the family was stored found nothing to revoke: do it now."""
        if self.provider.tokens.codes.was_reused(self._code):
            with transaction():
                self.provider.tokens.families.revoke(family.id, "code_reused")

    def _check_redirect_uri(self, code: AuthorizationCode) -> None:
        # RFC 6749 §4.1.3: required and identical if the authorization request had one.
        sent = self.request.payload.data.get("redirect_uri")
        if sent is None and not code.redirect_uri_was_sent:
            return
        if sent != code.redirect_uri:
            raise InvalidGrant("redirect_uri differs from the one in the authorization request")

    def _check_verifier(self, code: AuthorizationCode) -> None:
        verifier = self.request.payload.data.get("code_verifier")
        if code.code_challenge is None:
            if verifier is not None:
                # RFC 9700 §4.8.2: somebody stripped the challenge from the authorization request.
                raise InvalidGrant("code_verifier was sent, but the authorization request had no code_challenge")
            return
        if verifier is None:
            raise InvalidGrant("code_verifier is missing")
        if not _VERIFIER.fullmatch(verifier):
            raise InvalidGrant("code_verifier has to be 43 to 128 unreserved characters")
        # RFC 7636 §4.6
        if not constant_time_equal(create_s256_code_challenge(verifier), code.code_challenge):
            raise InvalidGrant("code_verifier does not match the code_challenge")
