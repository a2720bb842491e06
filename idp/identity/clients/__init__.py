"""Clients and the resource servers they call: metadata, secrets, and the registries served from memory."""
