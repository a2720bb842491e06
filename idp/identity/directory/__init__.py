"""People and what is known about them."""
