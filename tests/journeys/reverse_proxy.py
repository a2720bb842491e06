"""Apache as the reverse proxy in front of a server: it speaks TLS to the world and HTTP to the server."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.apache import MODULES, apache_binary
from tests.helpers.certificates import Certificate
from tests.helpers.processes import (
    accepts_connections,
    directory_of,
    give_to,
    start,
    stopping,
    unprivileged_user,
    wait_until,
)

WANTED = ("mpm_event", "authz_core", "headers", "ssl", "proxy", "proxy_http")

CONFIGURATION = """
ServerRoot "{directory}"
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
Mutex file:{directory} default
ErrorLog "{directory}/error.log"
ServerName 127.0.0.1
StartServers 1
{modules}
Listen 127.0.0.1:{port}
SSLSessionCache none
<VirtualHost 127.0.0.1:{port}>
    SSLEngine on
    SSLCertificateFile "{directory}/certificate.pem"
    SSLCertificateKeyFile "{directory}/key.pem"
    ProxyPreserveHost On
    RequestHeader unset X_Forwarded_For early
    RequestHeader unset X-Forwarded_For early
    RequestHeader unset X_Forwarded-For early
    ProxyPass "{path}" "http://127.0.0.1:{target}{path}"
</VirtualHost>
"""


@contextlib.contextmanager
def reverse_proxy(port: int, target: int, path: str, certificate: Certificate) -> Iterator[None]:
    """Forward `https://127.0.0.1:port/path…` to `http://127.0.0.1:target/path…`, and nothing else."""
    user, binary = unprivileged_user(), apache_binary()
    with directory_of(user, "idp-proxy-") as directory:
        for source, name in ((certificate.certificate, "certificate.pem"), (certificate.key, "key.pem")):
            shutil.copy(source, directory / name)
            give_to(directory / name, user)
        configuration = directory / "apache.conf"
        configuration.write_text(_configuration(directory, port, target, path))
        log = directory / "output.log"
        process = start([binary, "-DFOREGROUND", "-f", str(configuration)], log, user=user, cwd=directory)
        with stopping(process):
            wait_until(lambda: accepts_connections(port), process, log, "Apache")
            yield


def _configuration(directory: Path, port: int, target: int, path: str) -> str:
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in WANTED)
    return CONFIGURATION.format(directory=directory, port=port, target=target, path=path, modules=modules)
