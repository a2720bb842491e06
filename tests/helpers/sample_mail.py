"""What mails are filled with when somebody looks at all of them."""

from typing import Any

from idp.core.resources import resource_dir

VALUES: dict[str, Any] = {
    "to": "ann@example.com",
    "product_name": "Acme",
    "issuer": "https://id.example",
    "support_url": "https://help.example",
    "sign_in_url": "https://id.example/signin/",
    "recover_url": "https://id.example/recover",
    "applications_url": "https://id.example/account/applications",
    "data_url": "https://id.example/account/data",
    "erase_after": "2026-02-14T10:00:00+00:00",
    "url": "https://id.example/link/x?token=" + "t" * 43,
    "code": "012345",
    "minutes": 10,
    "at": "2026-01-31T10:00:00+00:00",
    "until": "2026-02-03T10:00:00+00:00",
    "zone": "Europe/Berlin",
    "device": "Firefox on Linux",
    "ip_address": "2001:db8::1",
    "application": "Shop",
    "new_address": "a••• @example.net",
}
TEMPLATES = sorted(path.stem for path in (resource_dir("templates") / "mail").glob("*.jinja"))
