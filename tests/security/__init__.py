"""Attacks on the running product, each test named by the id of the attack it survives."""
