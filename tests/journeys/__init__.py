"""Whole walks, as a person or a deployment takes them."""
