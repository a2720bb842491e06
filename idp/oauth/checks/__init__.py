"""One check of the authorization request a file; `idp/oauth/pipeline.py` is their order."""
