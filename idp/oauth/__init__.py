"""The OAuth 2 and OpenID Connect door: one endpoint, grant or check a file. Start reading at `routes`."""
