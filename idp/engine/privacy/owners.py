"""Whose a row is: the conditions of the map of personal data."""

from sqlalchemy import ColumnElement, Table, Text, cast, or_, select

from idp.engine.privacy.vocabulary import Owner, Person
from idp.services.audit.erasure import by_or_about
from idp.services.limits.throttle import unknown_account
from idp.storage.fragments import ContainsBytes
from idp.storage.tables import DataExport, SessionRow

_sessions, _exports = SessionRow.__table__.c, DataExport.__table__.c


def by_user(table: Table, column: str = "user_id") -> Owner:
    """The row names the user."""
    return lambda person: table.c[column] == person.user_id


def by_session(table: Table) -> Owner:
    """The row hangs on one of the person's sessions."""
    return lambda person: table.c.session_id.in_(select(_sessions.id).where(_sessions.user_id == person.user_id))


def by_export(table: Table) -> Owner:
    """The row hangs on one of the person's exports."""
    return lambda person: table.c.export_id.in_(select(_exports.id).where(_exports.user_id == person.user_id))


def by_event(person: Person) -> ColumnElement[bool]:
    """The event is about the user, or about something that the user did to others."""
    return by_or_about(person.user_id)


def by_user_or_address(table: Table) -> Owner:
    """The row names the user, or an address of theirs: it may be from before they had an account."""
    return lambda person: or_(table.c.user_id == person.user_id, table.c.address.in_(person.addresses))


def by_counter(table: Table) -> Owner:
    """The key counts something of the person: by their identifier, or by their address before they had an account."""

    def owner(person: Person) -> ColumnElement[bool]:
        names = (person.user_id, *(unknown_account(address) for address in person.addresses))
        return or_(*(table.c.key.contains(name, autoescape=True) for name in names))

    return owner


def by_recipient(table: Table) -> Owner:
    """The message goes to the person, or tells a client of them."""

    def owner(person: Person) -> ColumnElement[bool]:
        payload = cast(table.c.payload, Text)
        # A `sub` in quotes: in JSON it is a value of its own, and not a part of another one.
        told = (payload.contains(f'"{subject}"', autoescape=True) for subject in person.subjects)
        return or_(table.c.user_id == person.user_id, table.c.recipient.in_(person.addresses), *told)

    return owner


def by_content(table: Table) -> Owner:
    """The value has the person's identifier or address in it."""
    return lambda person: or_(*(ContainsBytes(table.c.value, name.encode()) for name in person.names))
