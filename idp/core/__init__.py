"""Floor 0: what every room may lean on, and what leans on nothing."""
