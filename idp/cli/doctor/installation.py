"""What is wrong with the installation that the settings describe."""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from idp.app import create_app
from idp.cli.database import engine_of, is_sqlite
from idp.cli.doctor.exchange import Exchange, NoAnswerError, date_of
from idp.cli.doctor.finding import OK, PROBLEM, WARNING, Finding, quoted
from idp.cli.doctor.mail import mail, messages
from idp.cli.doctor.pictures import pictures
from idp.cli.doctor.privacy import list_of_erased, returned
from idp.cli.maintenance import LEASE
from idp.core.clock import now
from idp.core.errors import IdpError
from idp.core.events import Event
from idp.core.settings import Settings, load_settings
from idp.engine.demo_accounts import advice, open_doors
from idp.identity.clients.registry import SIGNING_FIELDS, Client
from idp.storage.db import database_url
from idp.storage.ephemeral import RedisStore
from idp.storage.migrate import current, head
from idp.web.provider import Provider, current_provider

CLOCK_TOLERANCE = timedelta(seconds=5)
CLIENTS_AT_A_TIME = 500


def examine() -> Iterator[Finding]:
    """Check settings, mail, pictures, database, keys, store, clock and reachability."""
    try:
        settings = load_settings()
    except IdpError as error:
        for line in str(error).splitlines():
            yield Finding("settings", PROBLEM, line)
        return
    yield from _settings(settings)
    yield from mail(settings)
    yield from _paths(settings)
    yield from pictures(settings)
    yield from list_of_erased(settings)
    migrated = False
    for finding in _database(settings):
        migrated = migrated or (finding.check == "migrations" and finding.level == OK)
        yield finding
    if migrated:
        yield from _services(settings)
    yield from _issuer(settings)


def _settings(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.environment}, issuer {settings.issuer}"
    yield Finding("settings", OK, where)
    if not settings.is_production:
        yield Finding("settings", WARNING, "development mode: set IDP_ENVIRONMENT=production for real users")
        return
    if is_sqlite(settings):
        yield Finding("database", WARNING, "SQLite serves one machine only: PostgreSQL is meant for production")
    if settings.is_https and not settings.trusted_proxies:
        yield Finding("proxies", WARNING, "no trusted proxy: unless idp itself ends TLS, set IDP_TRUSTED_PROXIES")


def _paths(settings: Settings) -> Iterator[Finding]:
    if not settings.is_production:
        yield _writable("keys", settings.keys_dir)
    if settings.keys_dir.is_dir():
        for path in sorted(settings.keys_dir.iterdir()):
            if path.is_file() and path.name != "README.md" and path.stat().st_mode & 0o077:
                yield Finding("keys", PROBLEM, f"{path} can be read by others: chmod 600 {path}")
    url = database_url(settings)
    if url.startswith("sqlite:///") and ":memory:" not in url:
        yield _writable("database", Path(url.removeprefix("sqlite:///")).parent)


def _writable(check: str, directory: Path) -> Finding:
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            return Finding(check, OK, f"{directory} is writable")
    except OSError as error:
        return Finding(check, PROBLEM, f"{directory} cannot be written (uid {os.getuid()}): {error.strerror}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        with engine_of(settings) as engine:
            with engine.connect() as connection:
                theirs = None
                if engine.dialect.name == "postgresql":
                    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
                else:
                    connection.execute(text("SELECT 1"))
            revision = current(engine)
    except IdpError as error:
        yield Finding("database", PROBLEM, str(error))
        return
    yield Finding("database", OK, f"{engine.dialect.name} answers")
    if isinstance(theirs, datetime):
        yield _clock("the database", theirs)
    if revision == head():
        yield Finding("migrations", OK, f"at revision {revision}")
    else:
        # An SQLite file upgrades itself when the server starts.
        level = WARNING if is_sqlite(settings) else PROBLEM
        at = revision or "no revision"
        yield Finding("migrations", level, f"at {at}, not at {head()}: run 'idp db upgrade'")


def _clock(source: str, theirs: datetime) -> Finding:
    away = abs(now() - theirs)
    if away > CLOCK_TOLERANCE:
        seconds = round(away.total_seconds())
        return Finding("clock", PROBLEM, f"{seconds} s away from {source}'s: tokens would be refused; set up NTP")
    return Finding("clock", OK, f"agrees with {source}'s")


def _services(settings: Settings) -> Iterator[Finding]:
    try:
        application = create_app(settings, tolerate_demo_accounts=True)
    except IdpError as error:
        yield Finding("application", PROBLEM, str(error))
        return
    with application.app_context():
        provider = current_provider()
        checks: tuple[tuple[str, Callable[[Provider], Iterator[Finding]]], ...] = (
            ("store", _store),
            ("keys", _keys),
            ("algorithms", _algorithms),
            ("worker", _worker),
            ("messages", messages),
            ("erased users", returned),
            ("demo", _demo_accounts),
            ("sign-ins", _sign_ins),
        )
        for name, check in checks:
            try:
                yield from check(provider)
            except IdpError as error:
                yield Finding(name, PROBLEM, str(error))


def _store(provider: Provider) -> Iterator[Finding]:
    url = provider.settings.redis_url
    if url is not None:
        # Redis itself: the store of a running server would hide an outage by falling back to the database.
        RedisStore(url.get_secret_value()).ping()
    provider.store.ping()
    yield Finding("store", OK, f"short-lived values are kept in {'Redis' if url else 'the database'}")


def _keys(provider: Provider) -> Iterator[Finding]:
    own = provider.settings.keys
    if own.publish_before_use < own.jwks_max_age:
        message = (
            "keys sign before caches have fetched them: IDP_KEYS__PUBLISH_BEFORE_USE is below IDP_KEYS__JWKS_MAX_AGE"
        )
        yield Finding("keys", WARNING, message)
    keys = provider.rotation.list_keys()
    limit = timedelta(seconds=provider.settings.keys.rotate_every) * 1.1
    for alg in provider.settings.keys.algorithms:
        active = next((key for key in keys if key.alg == alg and key.state == "active"), None)
        if active is None:
            yield Finding("keys", PROBLEM, f"no key signs {alg}: run 'idp worker', or 'idp serve' once")
            continue
        # Signing proves that the key-encryption key fits; a list of keys does not.
        provider.keyset.signer(alg).sign(b"idp doctor")
        if limit and active.activated_at is not None and now() - active.activated_at > limit:
            yield Finding("keys", WARNING, f"the {alg} key is overdue for rotation: is 'idp worker' running?")
        else:
            yield Finding("keys", OK, f"{alg} is signed by {active.kid}")


def _algorithms(provider: Provider) -> Iterator[Finding]:
    """Who was registered for an algorithm that is switched off meanwhile gets no tokens."""
    available = provider.settings.keys.algorithms
    users = [
        (f"API {server.audience}", "idp api update … --alg", server.signing_alg)
        for server in provider.resource_servers.all()
        if server.is_enabled
    ]
    for client in _all_clients(provider):
        for field in SIGNING_FIELDS:
            users.append((f"client {client.client_id}", "idp client update …", getattr(client.metadata, field)))
    for name, command, alg in users:
        if alg is not None and alg not in available:
            message = f"{name} asks for {alg}, which no key signs: '{command}', or add it to IDP_KEYS__ALGORITHMS"
            yield Finding("algorithms", PROBLEM, message)


def _all_clients(provider: Provider) -> Iterator[Client]:
    after = None
    while page := provider.clients.list(CLIENTS_AT_A_TIME, after):
        yield from (client for client in page if client.is_enabled)
        after = page[-1].client_id


def _demo_accounts(provider: Provider) -> Iterator[Finding]:
    if not provider.settings.is_production:
        return
    if found := open_doors(provider.users, provider.passwords, provider.clients):
        yield Finding("demo", PROBLEM, advice(found))
    else:
        yield Finding("demo", OK, "no demo accounts")


def _sign_ins(provider: Provider) -> Iterator[Finding]:
    """Whether so many fail that it looks like an attack, or did within a day."""
    until = provider.throttle.alarm_lasts_until()
    latest = next(iter(provider.audit.tail(1, Event.SIGN_IN_ANOMALY)), None)
    if latest is None or (until is None and latest.at < now() - timedelta(days=1)):
        yield Finding("sign-ins", OK, "no more of them fail than usual")
        return
    told = latest.details
    numbers = f"{told['failures']} from {told['addresses']} addresses failed in {told['window']} s"
    if until is None:
        yield Finding("sign-ins", OK, f"{numbers} before {latest.at:%Y-%m-%d %H:%M} UTC; not any more")
    else:
        yield Finding("sign-ins", WARNING, f"under attack: {numbers}; see 'idp audit tail --event sign_in:failed'")


def _worker(provider: Provider) -> Iterator[Finding]:
    if provider.durable.get(LEASE) is not None:
        yield Finding("worker", OK, "maintenance is running")
    elif provider.settings.is_production:
        yield Finding("worker", WARNING, "no maintenance is running: start 'idp worker'")
    else:
        message = "no maintenance is running, which development does without: 'idp worker' rotates keys and tidies up"
        yield Finding("worker", OK, message)


def _issuer(settings: Settings) -> Iterator[Finding]:
    url = f"{settings.issuer}/.well-known/openid-configuration"
    try:
        answer = Exchange(settings.fetch.ca_bundle).ask(url)
    except NoAnswerError as error:
        level = PROBLEM if settings.is_production else WARNING
        yield Finding("issuer", level, f"{error}: is it running, and can it be reached from here?")
        return
    if answer.status != 200:
        yield Finding("issuer", PROBLEM, f"{url} answers {answer.status}: does the proxy pass it on?")
        return
    stated = (answer.json_object() or {}).get("issuer")
    if stated != settings.issuer:
        yield Finding("issuer", PROBLEM, f"{url} states the issuer {quoted(stated)}, not {settings.issuer!r}")
        return
    yield Finding("issuer", OK, f"{url} answers")
    date = date_of(answer.header("Date"))
    if date is not None:
        yield _clock("the issuer", date)
