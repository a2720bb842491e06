"""What may happen to a person between two requests of a client."""

from collections.abc import Callable

from tests.helpers.browser import Person
from tests.helpers.server import Server

Happening = Callable[[Server, Person], None]


def end_the_session(server: Server, person: Person) -> None:
    """Sign the person out everywhere."""
    with server.administrator.provider() as provider:
        provider.sessions.end_all(person.id, "admin")


def deactivate(server: Server, person: Person) -> None:
    """Switch the person's account off."""
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)


def change_password(server: Server, person: Person) -> None:
    """What an administrator does when an account was taken over."""
    with server.administrator.provider() as provider:
        provider.lifecycle.set_password(person.id, "another quiet river bends")


def withdraw_consent(server: Server, person: Person) -> None:
    """Take back every permission that the person gave."""
    with server.administrator.provider() as provider:
        for consent in provider.consents.list(person.id):
            provider.consents.revoke(person.id, consent.client_id)
