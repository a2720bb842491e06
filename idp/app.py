"""The composition root: the one place that knows every room and every door."""

from flask import Flask

from idp.account import routes as account_routes
from idp.core.crypto import SecretRing
from idp.core.fetch import Fetcher
from idp.core.logs import configure_logs
from idp.core.resources import resource_dir
from idp.core.secrets import load_sealer, load_secret_ring
from idp.core.settings import Settings, load_settings
from idp.engine.applications import Applications
from idp.engine.demo_accounts import refuse_demo_accounts
from idp.engine.email_change import EmailChange
from idp.engine.email_change import Rooms as EmailChangeRooms
from idp.engine.evidence import Evidence
from idp.engine.interaction import Interactions
from idp.engine.lifecycle import Lifecycle
from idp.engine.lifecycle.leaving import Leaving
from idp.engine.lifecycle.retention import Retention
from idp.engine.lockout import Lockout
from idp.engine.logout import BackChannelLogout
from idp.engine.mail import MAIL_LEASE, MAIL_MESSAGE, MailRoom
from idp.engine.notices import Notices
from idp.engine.password_reset import PasswordReset
from idp.engine.password_reset import Rooms as ResetRooms
from idp.engine.privacy.document import Document
from idp.engine.privacy.erasure import Eraser
from idp.engine.privacy.exports import Exports
from idp.engine.privacy.retention import PrivacyRetention
from idp.engine.privacy.tombstones import Tombstones
from idp.engine.sign_up import Rooms, SignUp
from idp.engine.tokens import (
    AccessTokens,
    AuthorizationCodes,
    Encryption,
    Families,
    IdTokens,
    RefreshTokens,
    Targets,
    Tokens,
)
from idp.identity.access.roles import Roles
from idp.identity.clients.initial_access import InitialAccessTokens
from idp.identity.clients.published_keys import ClientKeys
from idp.identity.clients.registry import ClientRegistry
from idp.identity.clients.resource_servers import ResourceServers
from idp.identity.clients.self_registration import SelfRegistration
from idp.identity.clients.software_statements import SoftwareStatements
from idp.identity.consents.consents import Consents
from idp.identity.consents.terms import TermsAcceptances
from idp.identity.credentials.breached_passwords import breached_passwords
from idp.identity.credentials.mailed_proofs import MailedProofs
from idp.identity.credentials.passwords import Passwords
from idp.identity.credentials.totp import Totp
from idp.identity.directory.avatars import Avatars
from idp.identity.directory.departures import Departures
from idp.identity.directory.preferences import Preferences
from idp.identity.directory.subjects import Subjects
from idp.identity.directory.users import Users
from idp.identity.sessions.participants import LOGOUT_MESSAGE
from idp.identity.sessions.sessions import Sessions
from idp.oauth import routes as oauth_routes
from idp.oauth.discovery import discovery
from idp.services.audit import AuditTrail
from idp.services.keys.keyset import Keyset
from idp.services.keys.rotation import Rotation
from idp.services.limits.pending import Pending
from idp.services.limits.throttle import Throttle
from idp.services.notify.mailer import Mailer
from idp.services.outbox import Channel, Courier, Outbox
from idp.signin import routes as signin_routes
from idp.storage.blobs import open_blobs
from idp.storage.db import database_url, db, engine_options, prepare_engine
from idp.storage.ephemeral import EphemeralStore, SqlStore, open_store
from idp.storage.migrate import is_current, upgrade
from idp.web import routes as web_routes
from idp.web.errors import install_errors
from idp.web.headers import install_headers
from idp.web.hooks import install_hooks
from idp.web.locale import install_locale
from idp.web.metrics import PATH as METRICS_PATH
from idp.web.metrics import install_metrics
from idp.web.pages import install_pages
from idp.web.provider import EXTENSION, Provider
from idp.web.replay import Replay


def create_app(settings: Settings | None = None, *, tolerate_demo_accounts: bool = False) -> Flask:
    """Build the application. Raises ConfigurationError if the settings are unsafe or incomplete.

    An SQLite database upgrades itself here; PostgreSQL is upgraded by `idp db upgrade` alone, and `/readyz` is red
    until then. In production the demo accounts are refused, unless by a command that may be about to delete them.
    """
    settings = settings or load_settings()
    configure_logs(settings)
    app = Flask(
        "idp",
        template_folder=str(resource_dir("templates")),
        static_folder=str(resource_dir("static")),
        static_url_path=f"{settings.issuer_path}/static",
    )
    app.config.update(
        DEBUG=False,  # whatever FLASK_DEBUG says (KY2)
        SQLALCHEMY_DATABASE_URI=database_url(settings),
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
        MAX_CONTENT_LENGTH=256 * 1024,
        MAX_FORM_MEMORY_SIZE=256 * 1024,
        MAX_FORM_PARTS=200,
        SEND_FILE_MAX_AGE_DEFAULT=31536000,  # the URL of every asset carries the release
    )
    app.jinja_options["trim_blocks"] = app.jinja_options["lstrip_blocks"] = True
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        if db.engine.dialect.name == "sqlite":
            upgrade(db.engine)
        provider = build_provider(settings)
        app.extensions[EXTENSION] = provider
        if is_current(db.engine):
            provider.keyset.ensure()
            if settings.is_production and not tolerate_demo_accounts:
                refuse_demo_accounts(provider.users, provider.passwords, provider.clients)
    _install_doors(app, settings)
    return app


def build_provider(settings: Settings) -> Provider:
    """Wire the rooms together, bottom floor first. Needs an application context."""
    secrets = load_secret_ring(settings)
    sealer = load_sealer(settings)
    audit = AuditTrail()
    store: EphemeralStore = open_store(settings)
    durable = SqlStore()
    throttle = Throttle(settings.throttle)
    pending = Pending(store, settings.throttle.unfinished_sign_ins, settings.throttle.address_window)
    keyset = Keyset(settings, sealer, audit)
    evidence = Evidence(settings, keyset)
    users = Users(audit)
    avatars = Avatars(settings, open_blobs(settings.avatars), users)
    passwords = Passwords(settings.passwords, secrets, audit, breached_passwords(settings))
    proofs = MailedProofs(secrets)
    roles, terms = Roles(audit), TermsAcceptances(audit)
    outbox = Outbox()
    mail = MailRoom(settings, sealer, outbox, Mailer(settings))
    notices = Notices(users, mail)
    sessions = Sessions(settings, audit, outbox)
    consents = Consents(audit)
    fetcher = Fetcher(settings.fetch, allow_loopback=not settings.is_production)
    client_keys = ClientKeys(fetcher, settings.lifetimes.client_keys)
    clients = ClientRegistry(
        secrets,
        sealer,
        audit,
        fetcher,
        algorithms=settings.keys.algorithms,
        allow_front_channel=settings.has_front_channel_tokens,
        fetch_logos=settings.registration.fetch_logos,
        secret_lifetime=settings.registration.secret_lifetime,
    )
    encryption = Encryption(client_keys)
    back_channel = BackChannelLogout(settings, clients, keyset, encryption, fetcher)
    initial_access = InitialAccessTokens(audit)
    resource_servers = ResourceServers(
        audit, algorithms=settings.keys.algorithms, allow_opaque=settings.features.opaque_access_tokens
    )
    notices, departures = Notices(users, mail), Departures(users, audit)
    tombstones = Tombstones(settings.privacy.erased_list)
    eraser = Eraser(
        settings, secrets, departures, sessions, notices, audit, (store, durable), tombstones, [avatars.erase]
    )
    document = Document(settings, avatars.original)
    exports = Exports(settings, sealer, audit, throttle, document, notices.export_ready)
    registration = SelfRegistration(settings.registration, clients, initial_access, resource_servers)
    return Provider(
        settings=settings,
        secrets=secrets,
        sealer=sealer,
        store=store,
        durable=durable,
        fetcher=fetcher,
        audit=audit,
        evidence=evidence,
        throttle=throttle,
        pending=pending,
        keyset=keyset,
        rotation=Rotation(settings, sealer, audit),
        users=users,
        avatars=avatars,
        preferences=Preferences(audit),
        subjects=Subjects(),
        passwords=passwords,
        totp=Totp(sealer, audit),
        proofs=proofs,
        roles=roles,
        clients=clients,
        client_keys=client_keys,
        registration=registration,
        initial_access=initial_access,
        software_statements=SoftwareStatements(
            settings.registration.trusted_software_issuers, fetcher, settings.issuer
        ),
        resource_servers=resource_servers,
        consents=consents,
        terms=terms,
        sessions=sessions,
        applications=Applications(clients, consents, sessions, audit),
        outbox=outbox,
        mail=mail,
        notices=notices,
        courier=Courier(outbox, audit, _channels(settings, back_channel, mail)),
        sign_up=SignUp(settings, Rooms(users, passwords, proofs, terms, roles, mail, throttle, audit)),
        interactions=Interactions(store, pending, settings.lifetimes),
        tokens=_tokens(settings, secrets, keyset, resource_servers, store, durable, encryption),
        email_change=EmailChange(settings, EmailChangeRooms(users, passwords, proofs, sessions, throttle, mail, audit)),
        lockout=Lockout(settings, throttle, proofs, mail, audit),
        lifecycle=Lifecycle(users, departures, passwords, sessions, throttle, eraser),
        leaving=Leaving(settings, users, departures, sessions, notices, proofs),
        exports=exports,
        eraser=eraser,
        password_reset=PasswordReset(
            settings, ResetRooms(users, passwords, proofs, sessions, throttle, mail, notices, audit)
        ),
        retention=Retention(
            settings.retention,
            sessions,
            throttle,
            evidence,
            outbox,
            (store, durable),
            registration,
            proofs,
            avatars,
            PrivacyRetention(settings.retention, eraser, exports),
        ),
    )


def _channels(settings: Settings, back_channel: BackChannelLogout, mail: MailRoom) -> dict[str, Channel]:
    return {
        LOGOUT_MESSAGE: Channel(back_channel.prepare, to_clients=True),
        MAIL_MESSAGE: Channel(
            mail.prepare, forgets=not mail.has_mailbox, at_once=settings.smtp_connections, lease=MAIL_LEASE
        ),
    }


def _tokens(
    settings: Settings,
    secrets: SecretRing,
    keyset: Keyset,
    resource_servers: ResourceServers,
    store: EphemeralStore,
    durable: EphemeralStore,
    encryption: Encryption,
) -> Tokens:
    families = Families(settings.lifetimes)
    return Tokens(
        codes=AuthorizationCodes(store, settings.lifetimes.authorization_code),
        families=families,
        refresh=RefreshTokens(secrets, families, settings.lifetimes),
        access=AccessTokens(settings, keyset, families, references=store, revocations=durable),
        id=IdTokens(settings, keyset, encryption),
        encryption=encryption,
        targets=Targets(settings.issuer, resource_servers, settings.lifetimes.access_token),
    )


def _install_doors(app: Flask, settings: Settings) -> None:
    prefix = settings.issuer_path
    page_paths = frozenset(prefix + path for path in oauth_routes.PAGE_PATHS)
    cors_paths = frozenset(prefix + path for path in oauth_routes.cors_paths(settings))
    documents = frozenset(prefix + path for path in oauth_routes.DOCUMENT_PATHS)
    if prefix:
        # Probes and load balancers know the process, not the issuer: health stays at the root.
        app.add_url_rule("/healthz", "healthz", web_routes.healthz)
        app.add_url_rule("/readyz", "readyz", web_routes.readyz)
        # RFC 8414 §3.1 inserts the well-known segment before an issuer's path; OpenID Connect appends it.
        for document in ("openid-configuration", "oauth-authorization-server"):
            inserted = f"/.well-known/{document}{prefix}"
            app.add_url_rule(inserted, f"inserted-{document}", discovery)
            cors_paths |= {inserted}
            documents |= {inserted}
    install_hooks(app, settings)
    managed = frozenset({f"{prefix}{oauth_routes.MANAGED_PATH}"} if settings.registration.is_open else ())
    install_headers(app, settings, cors_paths, managed)
    install_locale(app, settings)
    install_pages(app)

    def is_for_programs(path: str) -> bool:
        """Also what is mistyped there: it was meant for an endpoint that programs call."""
        return (
            path in ("/healthz", "/readyz", METRICS_PATH)
            or "/.well-known/" in path
            or (path.startswith(f"{prefix}/oauth2/") and path.rstrip("/") not in page_paths)
        )

    install_errors(app, is_for_programs)
    if settings.log_level != "debug":  # which lists every request
        app.wsgi_app = Replay(app.wsgi_app, documents)  # type: ignore[method-assign]
    for door in (web_routes, oauth_routes, signin_routes, account_routes):
        app.register_blueprint(door.blueprint, url_prefix=prefix + (door.blueprint.url_prefix or ""))
    install_metrics(app, settings)
