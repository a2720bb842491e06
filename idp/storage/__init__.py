"""Floor 1: the database, its tables, and the store for everything short-lived."""
