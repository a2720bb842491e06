"""The life of our keys: next → active → retiring → retired.

A key is published for a while before it signs, and stays published until the last token it signed has
expired, so a verifier that refreshes its copy of the JWKS now and then never meets an unknown key.

Keys that clients encrypt to need no announcement: a new one is active at once. The one before it opens what clients
with an older copy of the JWKS still send, and is not published any more.

Every change takes the row lock of the version counter first. Processes that rotate at the same moment
therefore do so one after another, each seeing what the one before it did.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, insert, select, update

from idp.core.clock import now as current_time
from idp.core.crypto import Sealer
from idp.core.errors import Conflict, NotFound
from idp.core.events import Event
from idp.core.setting_sections import KeyAlgorithm
from idp.core.settings import Settings
from idp.services.audit import AuditTrail
from idp.services.keys.signer import ENCRYPTION_ALGORITHMS, GeneratedKey, generate_key
from idp.storage.db import reading, transaction
from idp.storage.tables import SigningKeyRow
from idp.storage.versions import bump

VERSION_NAME = "keys"
LONGEST_TOKEN_LIFETIME = 86400
"""Seconds; what a resource server may set for its own access tokens."""
_STRAGGLERS = timedelta(minutes=5)
"""Other workers notice a rotation a little later, and clocks differ."""

_rows = SigningKeyRow.__table__
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What an operator may know about a key; the private half stays sealed."""

    kid: str
    alg: str
    state: str
    published_at: datetime
    activated_at: datetime | None
    retiring_at: datetime | None
    remove_after: datetime | None
    retired_at: datetime | None


_INFO_COLUMNS = tuple(_rows.c[field.name] for field in fields(KeyInfo))


class _KeyNeeded(Exception):
    """A change needs a fresh key pair; making one is too slow to do under the lock."""

    def __init__(self, alg: KeyAlgorithm) -> None:
        self.alg = alg


class _Spares:
    """Key pairs made outside the transaction, waiting to be used inside it."""

    def __init__(self, rsa_bits: int) -> None:
        self._rsa_bits = rsa_bits
        self._made: defaultdict[str, list[GeneratedKey]] = defaultdict(list)
        self._used: defaultdict[str, int] = defaultdict(int)

    def start(self) -> None:
        """Count from the first spare again: the transaction that used some was rolled back."""
        self._used.clear()

    def make(self, alg: KeyAlgorithm) -> None:
        self._made[alg].append(generate_key(alg, self._rsa_bits))

    def take(self, alg: KeyAlgorithm) -> GeneratedKey:
        if self._used[alg] == len(self._made[alg]):
            raise _KeyNeeded(alg)
        self._used[alg] += 1
        return self._made[alg][self._used[alg] - 1]


class Rotation:
    """Changes the states of the signing keys, audits each change, and tells all workers of it.

    Its methods open their own transaction and must not be called inside another one.
    """

    def __init__(self, settings: Settings, sealer: Sealer, audit: AuditTrail | None = None) -> None:
        self._settings = settings
        self._sealer = sealer
        self._audit = audit or AuditTrail()

    def list_keys(self) -> tuple[KeyInfo, ...]:
        """All keys, retired ones included, the oldest first."""
        with reading() as connection:
            return tuple(_load(connection))

    def ensure(self) -> bool:
        """Give each configured algorithm an active and a next key; True if something was missing.

        The first key of an algorithm signs at once, since there is none that could sign meanwhile. Verifiers with an
        older copy of the JWKS do not know it yet.
        """
        if not self._missing(self.list_keys()):
            return False

        def fill(connection: Connection, spares: _Spares, moment: datetime) -> bool:
            missing = self._missing(_load(connection))
            for alg in missing:
                self._complete(connection, alg, spares, moment, "system")
            return bool(missing)

        return self._change(fill, current_time())

    def rotate(
        self, alg: KeyAlgorithm | None = None, force: bool = False, *, actor: str = "operator"
    ) -> tuple[KeyInfo, ...]:
        """Let the next key sign and the active one retire, for one algorithm or all.

        Returns the new active keys.

        Raises Conflict, changing nothing, if a next key has not been published for
        `keys.publish_before_use` seconds, unless `force`; NotFound for an algorithm that is not configured.
        """
        algorithms = self._algorithms(alg)

        def turn(connection: Connection, spares: _Spares, moment: datetime) -> tuple[KeyInfo, ...]:
            for name in algorithms:
                self._turn(connection, name, spares, moment, actor, force)
            return tuple(key for key in _load(connection) if key.state == "active" and key.alg in algorithms)

        return self._change(turn, current_time())

    def retire(self, kid: str, *, actor: str = "operator") -> None:
        """Withdraw a key at once: it leaves the JWKS, and tokens it signed stop verifying.

        For a key that leaked. If it was active, the next key signs from now on, however recently it was
        published. Raises NotFound for an unknown key, Conflict for one that is already retired.
        """

        def withdraw(connection: Connection, spares: _Spares, moment: datetime) -> None:
            key = next((key for key in _load(connection) if key.kid == kid), None)
            if key is None:
                raise NotFound(f"there is no signing key {kid}")
            if key.state == "retired":
                raise Conflict(f"the signing key {kid} is already retired")
            self._retire(connection, key, moment, actor)
            for alg in self._settings.keys.all_algorithms:
                if alg == key.alg:
                    self._complete(connection, alg, spares, moment, actor)

        self._change(withdraw, current_time())

    def maintain(self, now: datetime | None = None) -> bool:
        """What time brings about: due rotations, retirements, missing keys. True if anything changed.

        Cheap when nothing is due; the worker calls it every minute or so.
        """
        moment = now or current_time()
        if not self._is_due(self.list_keys(), moment):
            return False

        def catch_up(connection: Connection, spares: _Spares, moment: datetime) -> bool:
            keys = _load(connection)
            expired, due = _expired(keys, moment), self._due_for_rotation(keys, moment)
            for key in expired:
                self._retire(connection, key, moment, "system")
            for alg in due:
                self._turn(connection, alg, spares, moment, "system", force=False)
            missing = self._missing(_load(connection))
            for alg in missing:
                self._complete(connection, alg, spares, moment, "system")
            return bool(expired or due or missing)

        return self._change(catch_up, moment)

    def _change(self, change: Callable[[Connection, _Spares, datetime], _T], moment: datetime) -> _T:
        spares = _Spares(self._settings.keys.rsa_bits)
        while True:
            spares.start()
            try:
                with transaction() as connection:
                    # First of all, because it is also the lock.
                    bump(connection, VERSION_NAME)
                    return change(connection, spares, moment)
            except _KeyNeeded as need:
                spares.make(need.alg)

    def _algorithms(self, alg: KeyAlgorithm | None) -> tuple[KeyAlgorithm, ...]:
        configured = self._settings.keys.all_algorithms
        if alg is None:
            return configured
        if alg not in configured:
            raise NotFound(f"the algorithm {alg} is not configured")
        return (alg,)

    def _missing(self, keys: Iterable[KeyInfo]) -> list[KeyAlgorithm]:
        held = {(key.alg, key.state) for key in keys}
        return [
            alg
            for alg in self._settings.keys.all_algorithms
            if (alg, "active") not in held or (_is_announced(alg) and (alg, "next") not in held)
        ]

    def _is_due(self, keys: tuple[KeyInfo, ...], moment: datetime) -> bool:
        return bool(self._missing(keys) or _expired(keys, moment) or self._due_for_rotation(keys, moment))

    def _due_for_rotation(self, keys: Iterable[KeyInfo], moment: datetime) -> list[KeyAlgorithm]:
        period = timedelta(seconds=self._settings.keys.rotate_every)
        if not period:
            return []
        current = {(key.alg, key.state): key for key in keys}
        due: list[KeyAlgorithm] = []
        for alg in self._settings.keys.all_algorithms:
            active, following = current.get((alg, "active")), current.get((alg, "next"))
            if active is None or active.activated_at is None or active.activated_at + period > moment:
                continue
            is_ready = following is not None and self._ready_at(following) <= moment
            if is_ready or not _is_announced(alg):
                due.append(alg)
        return due

    def _ready_at(self, key: KeyInfo) -> datetime:
        return key.published_at + timedelta(seconds=self._settings.keys.publish_before_use)

    def _turn(
        self,
        connection: Connection,
        alg: KeyAlgorithm,
        spares: _Spares,
        moment: datetime,
        actor: str,
        force: bool,
    ) -> None:
        current = {key.state: key for key in _load(connection) if key.alg == alg}
        following, active = current.get("next"), current.get("active")
        if not force and active is not None and _is_announced(alg):
            self._refuse_unless_published(following, alg, moment)
        if active is not None:
            lifetimes = self._settings.lifetimes
            longest = max(lifetimes.access_token, lifetimes.id_token, LONGEST_TOKEN_LIFETIME)
            remove_after = moment + timedelta(seconds=longest) + _STRAGGLERS
            _set_state(connection, active.kid, "retiring", retiring_at=moment, remove_after=remove_after)
            self._audit.record(Event.KEY_RETIRING, actor=actor, kid=active.kid, alg=alg)
        self._complete(connection, alg, spares, moment, actor)

    def _refuse_unless_published(self, following: KeyInfo | None, alg: str, moment: datetime) -> None:
        if following is None:
            raise Conflict(f"no {alg} key has been published that could follow the active one")
        if self._ready_at(following) > moment:
            raise Conflict(
                f"the next {alg} key {following.kid} must not sign before "
                f"{self._ready_at(following):%Y-%m-%dT%H:%M:%SZ}: verifiers must have had time to fetch it"
            )

    def _complete(
        self, connection: Connection, alg: KeyAlgorithm, spares: _Spares, moment: datetime, actor: str
    ) -> None:
        """Fill the places of an algorithm: next moves up if nothing is active, and a new one is announced."""
        current = {key.state: key.kid for key in _load(connection) if key.alg == alg}
        if "active" not in current:
            kid = current.pop("next", None) or self._publish(connection, spares.take(alg), moment, actor)
            _set_state(connection, kid, "active", activated_at=moment)
            self._audit.record(Event.KEY_ACTIVATED, actor=actor, kid=kid, alg=alg)
        if "next" not in current and _is_announced(alg):
            self._publish(connection, spares.take(alg), moment, actor)

    def _publish(self, connection: Connection, key: GeneratedKey, moment: datetime, actor: str) -> str:
        connection.execute(
            insert(SigningKeyRow),
            {
                "kid": key.kid,
                "alg": key.alg,
                "state": "next",
                "public_jwk": key.public_jwk,
                "sealed_private_key": self._sealer.seal(key.private_key, sealing_place(key.kid)),
                "published_at": moment,
            },
        )
        self._audit.record(Event.KEY_CREATED, actor=actor, kid=key.kid, alg=key.alg)
        return key.kid

    def _retire(self, connection: Connection, key: KeyInfo, moment: datetime, actor: str) -> None:
        _set_state(connection, key.kid, "retired", retired_at=moment, sealed_private_key=None)
        self._audit.record(Event.KEY_RETIRED, actor=actor, kid=key.kid, alg=key.alg, was=key.state)


def _is_announced(alg: str) -> bool:
    """True if its keys have to be published before they are used."""
    return alg not in ENCRYPTION_ALGORITHMS


def sealing_place(kid: str) -> str:
    """The additional data that ties a sealed private key to its row."""
    return f"signing_keys/sealed_private_key/{kid}"


def _load(connection: Connection) -> list[KeyInfo]:
    query = select(*_INFO_COLUMNS).order_by(_rows.c.published_at, _rows.c.kid)
    return [KeyInfo(**row) for row in connection.execute(query).mappings()]


def _expired(keys: Iterable[KeyInfo], moment: datetime) -> list[KeyInfo]:
    return [
        key for key in keys if key.state == "retiring" and key.remove_after is not None and key.remove_after <= moment
    ]


def _set_state(connection: Connection, kid: str, state: str, **values: datetime | None) -> None:
    connection.execute(update(SigningKeyRow).where(_rows.c.kid == kid).values(state=state, **values))
