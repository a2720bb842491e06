"""The hall where people sign in: a hub and one file per page. Pages return to the hub, never to one another."""
