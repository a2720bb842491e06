"""Guessing limits, counted in the database and shared by every worker."""
