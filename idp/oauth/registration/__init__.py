"""Dynamic client registration (RFC 7591, OpenID Connect Dynamic Client Registration) and its management (RFC 7592)."""
