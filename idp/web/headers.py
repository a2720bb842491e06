"""Security headers of every response, and CORS for the endpoints that browsers' applications call."""

from collections.abc import Sequence

from flask import Flask, Response, g, request

from idp.core.settings import Settings

_ALLOWED_REQUEST_HEADERS = "Authorization, Content-Type, DPoP, MCP-Protocol-Version"


def content_security_policy(
    nonce: str | None = None, frames: Sequence[str] = (), *, may_be_framed: bool = False
) -> str:
    """The policy of our pages: `frames` are the origins of frames in them, `may_be_framed` lets others frame them.

    `form-action` is left out on purpose: Chromium applies it to the redirect after a form, which goes to the
    relying party.
    """
    script = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    ancestors = "*" if may_be_framed else "'none'"
    return (
        f"default-src 'none'; script-src {script}; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors {ancestors}"
        + (f"; frame-src {' '.join(frames)}" if frames else "")
    )


def install_headers(
    app: Flask, settings: Settings, cors_paths: frozenset[str], managed: frozenset[str] = frozenset()
) -> None:
    """Add the headers to every response, errors included.

    Pages of any origin may call `cors_paths`, and read, replace and delete what lies below `managed`.
    """
    managed_prefixes = tuple(managed)
    transport_security = "max-age=63072000" + ("; includeSubDomains" if settings.hsts_include_subdomains else "")

    @app.after_request
    def _headers(response: Response) -> Response:
        headers = response.headers
        # Adding is cheaper than setting, which looks for the name first. Nobody else sets these.
        headers.add("X-Content-Type-Options", "nosniff")
        headers.add("Referrer-Policy", "no-referrer" if "withholds_referrer" in g else "same-origin")
        if settings.is_https:
            headers.add("Strict-Transport-Security", transport_security)
        if "Cache-Control" not in headers:
            headers.add("Cache-Control", "no-store")
        if headers.get("Content-Type", "").startswith("text/html"):
            may_be_framed = "may_be_framed" in g
            policy = content_security_policy(
                g.get("csp_nonce"), g.get("frame_sources", ()), may_be_framed=may_be_framed
            )
            headers.setdefault("Content-Security-Policy", policy)
            if not may_be_framed:
                headers.setdefault("X-Frame-Options", "DENY")
            headers.setdefault("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
            headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if request.path in cors_paths or request.path.startswith(managed_prefixes):
            # No credentials cross origins here: these endpoints authenticate by token or client, never by cookie.
            headers.add("Access-Control-Allow-Origin", "*")
            headers.add("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
        return response

    @app.before_request
    def _preflight() -> Response | None:
        if request.method != "OPTIONS":
            return None
        if request.path in cors_paths:
            methods = "GET, POST, OPTIONS"
        elif request.path.startswith(managed_prefixes):
            methods = "GET, PUT, DELETE, OPTIONS"
        else:
            return None
        response = Response(status=204)
        response.headers.remove("Content-Type")
        response.headers["Allow"] = methods
        response.headers["Access-Control-Allow-Methods"] = methods
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = "86400"
        return response
