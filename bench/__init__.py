"""Measurements of idp beside the limits of the machine and beside another provider; see README.md."""
