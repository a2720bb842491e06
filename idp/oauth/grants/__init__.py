"""One grant type a file."""
