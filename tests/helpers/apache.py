"""Apache with mod_auth_openidc, as Debian ships them, on free ports in a directory of their own.

One virtual host signs people in (`/protected/`); the other two are APIs that accept access tokens, one by
the published keys and one by asking the provider.
"""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.processes import (
    accepts_connections,
    directory_of,
    free_port,
    give_to,
    start,
    stopping,
    unprivileged_user,
    wait_until,
)
from tests.helpers.relying_party import RelyingParty

MODULES = Path("/usr/lib/apache2/modules")
WANTED = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "headers", "dir")

CONFIGURATION = """
ServerRoot "{directory}"
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
Mutex file:{directory} default
ErrorLog "{directory}/error.log"
LogLevel warn auth_openidc:info
ServerName 127.0.0.1
StartServers 1
{modules}
{listen}
OIDCHTMLErrorTemplate "{directory}/error.html"
OIDCCABundlePath "{ca_bundle}"

<VirtualHost 127.0.0.1:{web}>
    DocumentRoot "{directory}/htdocs"
    OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
    OIDCClientID {client_id}
    OIDCClientSecret {client_secret}
    OIDCRedirectURI http://127.0.0.1:{web}/protected/callback
    OIDCDefaultLoggedOutURL http://127.0.0.1:{web}/bye.html
    OIDCCryptoPassphrase {passphrase}
    OIDCScope "openid profile email"
    OIDCResponseType code
    OIDCPKCEMethod S256
    OIDCRemoteUserClaim sub
    <Location /protected>
        AuthType openid-connect
        Require valid-user
        Header always set X-Seen-Sub "%{{OIDC_CLAIM_sub}}e"
        Header always set X-Seen-Email "%{{OIDC_CLAIM_email}}e"
        Header always set X-Seen-Issuer "%{{OIDC_CLAIM_iss}}e"
    </Location>
</VirtualHost>

<VirtualHost 127.0.0.1:{by_keys}>
    DocumentRoot "{directory}/htdocs"
    OIDCOAuthVerifyJwksUri {jwks_uri}
    OIDCOAuthRemoteUserClaim sub
    <Location />
        AuthType oauth20
        Require claim aud:{audience}
        Header always set X-Seen-Sub "%{{OIDC_CLAIM_sub}}e"
    </Location>
</VirtualHost>

<VirtualHost 127.0.0.1:{by_introspection}>
    DocumentRoot "{directory}/htdocs"
    OIDCOAuthIntrospectionEndpoint {introspection_endpoint}
    OIDCOAuthClientID {api_client_id}
    OIDCOAuthClientSecret {api_client_secret}
    OIDCOAuthIntrospectionEndpointAuth client_secret_basic
    OIDCOAuthRemoteUserClaim sub
    OIDCOAuthTokenIntrospectionInterval -1
    OIDCCacheType file
    OIDCCacheDir "{directory}"
    <Location />
        AuthType oauth20
        Require valid-user
        Header always set X-Seen-Sub "%{{OIDC_CLAIM_sub}}e"
    </Location>
</VirtualHost>
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The three doors of one Apache: chosen before it starts, because redirect URIs name them."""

    web: int
    by_keys: int
    by_introspection: int

    @classmethod
    def choose(cls) -> "Ports":
        """Three free ports."""
        return cls(free_port(), free_port(), free_port())

    @property
    def callback(self) -> str:
        """The redirect URI of the web application."""
        return f"http://127.0.0.1:{self.web}/protected/callback"

    @property
    def goodbye(self) -> str:
        """Where the web application sends people after logout."""
        return f"http://127.0.0.1:{self.web}/bye.html"


def apache_binary() -> str:
    """The path of Apache. Raises FileNotFoundError if it or mod_auth_openidc is not installed."""
    binary = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    if binary is None or not (MODULES / "mod_auth_openidc.so").exists():
        raise FileNotFoundError("apache2 with libapache2-mod-auth-openidc is not installed")
    return binary


@contextlib.contextmanager
def apache(ports: Ports, web: RelyingParty, api: RelyingParty, audience: str, certificate: Path) -> Iterator[Path]:
    """A running Apache: `web` signs people in, `api` introspects. Yields the error log.

    `certificate` is what it trusts the provider by.
    """
    user, binary = unprivileged_user(), apache_binary()
    with directory_of(user, "idp-apache-") as directory:
        _write_site(directory)
        shutil.copy(certificate, directory / "ca.pem")
        configuration = directory / "apache.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_configuration(directory, ports, web, api, audience))
        give_to(configuration, user)
        log = directory / "output.log"
        process = start([binary, "-DFOREGROUND", "-f", str(configuration)], log, user=user, cwd=directory)
        with stopping(process):
            wait_until(lambda: accepts_connections(ports.web), process, log, "Apache")
            yield directory / "error.log"


def _write_site(directory: Path) -> None:
    site = directory / "htdocs"
    (site / "protected").mkdir(parents=True)
    (site / "index.html").write_text("the API answers\n")
    (site / "bye.html").write_text("signed out\n")
    (site / "protected" / "index.html").write_text("the protected page\n")
    (directory / "error.html").write_text("<p>%s</p><pre>%s</pre>\n")


def _configuration(directory: Path, ports: Ports, web: RelyingParty, api: RelyingParty, audience: str) -> str:
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in WANTED)
    listen = "\n".join(f"Listen 127.0.0.1:{port}" for port in (ports.web, ports.by_keys, ports.by_introspection))
    return CONFIGURATION.format(
        directory=directory,
        ca_bundle=directory / "ca.pem",
        modules=modules,
        listen=listen,
        web=ports.web,
        by_keys=ports.by_keys,
        by_introspection=ports.by_introspection,
        issuer=web.issuer,
        client_id=web.client_id,
        client_secret=web.client_secret,
        passphrase=secrets.token_urlsafe(24),
        jwks_uri=web.metadata["jwks_uri"],
        audience=audience,
        introspection_endpoint=web.metadata["introspection_endpoint"],
        api_client_id=api.client_id,
        api_client_secret=api.client_secret,
    )
