"""Signing keys and the tokens they sign (RFC 7515, RFC 7517, RFC 7519)."""
