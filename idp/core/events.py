"""The names of everything worth remembering: one enum, `subject:action` (see `services/audit`)."""

from enum import StrEnum


class Event(StrEnum):
    """An audit event. Names are permanent: exports, alerts and SIEM rules match on them."""

    SIGN_IN_SUCCEEDED = "sign_in:succeeded"
    SIGN_IN_FAILED = "sign_in:failed"
    SIGN_IN_THROTTLED = "sign_in:throttled"
    MFA_SUCCEEDED = "mfa:succeeded"
    MFA_FAILED = "mfa:failed"
    MFA_THROTTLED = "mfa:throttled"

    SESSION_STARTED = "session:started"
    SESSION_REFRESHED = "session:reauthenticated"
    SESSION_ENDED = "session:ended"
    SESSION_REVOKED = "session:revoked"

    AUTHORIZATION_GRANTED = "authorization:granted"
    AUTHORIZATION_DENIED = "authorization:denied"
    AUTHORIZATION_REFUSED = "authorization:refused"
    CONSENT_GRANTED = "consent:granted"
    CONSENT_DENIED = "consent:denied"
    CONSENT_REVOKED = "consent:revoked"

    CLIENT_AUTHENTICATION_FAILED = "client_authentication:failed"
    TOKEN_ISSUED = "token:issued"
    TOKEN_REFUSED = "token:refused"
    TOKEN_REFRESHED = "token:refreshed"
    TOKEN_REVOKED = "token:revoked"
    TOKEN_REUSED = "token:reuse_detected"
    CODE_REUSED = "code:reuse_detected"

    USER_CREATED = "user:created"
    USER_UPDATED = "user:updated"
    USER_DEACTIVATED = "user:deactivated"
    USER_REACTIVATED = "user:reactivated"
    USER_DELETED = "user:deleted"
    PASSWORD_SET = "password:set"
    PASSWORD_REHASHED = "password:rehashed"
    TOTP_ENROLLED = "totp:enrolled"
    ROLE_CREATED = "role:created"
    ROLE_ASSIGNED = "role:assigned"

    CLIENT_CREATED = "client:created"
    CLIENT_UPDATED = "client:updated"
    CLIENT_DELETED = "client:deleted"
    CLIENT_SECRET_ROTATED = "client_secret:rotated"
    RESOURCE_SERVER_CREATED = "resource_server:created"

    KEY_CREATED = "key:created"
    KEY_ACTIVATED = "key:activated"
    KEY_RETIRING = "key:retiring"
    KEY_RETIRED = "key:retired"
