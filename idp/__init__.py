"""idp: an OpenID Connect and OAuth 2 identity provider that a Python team can own."""

__version__ = "0.1.0"
