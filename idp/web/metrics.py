"""`/metrics`: what Prometheus asks for, told to whoever has the token."""

import hmac
from dataclasses import dataclass
from typing import Final, cast

from flask import Flask, Response, abort, current_app, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from idp.core.settings import Settings
from idp.web.figures import Figures
from idp.web.provider import current_provider
from idp.web.request_metrics import Meter, RequestMetrics

PATH: Final = "/metrics"
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_EXTENSION: Final = "idp-metrics"


@dataclass(frozen=True, slots=True)
class _Metrics:
    requests: RequestMetrics
    figures: Figures


def install_metrics(app: Flask, settings: Settings) -> None:
    """Begin to count, if anybody can ask; last of all, because what is outside of the meter is not measured."""
    app.add_url_rule(PATH, "metrics", metrics_page)
    if settings.metrics.is_on:
        metrics = _Metrics(RequestMetrics(), Figures())
        app.extensions[_EXTENSION] = metrics
        app.wsgi_app = Meter(app.wsgi_app, metrics.requests)  # type: ignore[method-assign]


def metrics_page() -> Response:
    """The figures, for the bearer of the token (RFC 6750 §2.1). Without a token in the settings: not found."""
    if current_provider().settings.metrics.token is None:
        abort(404)
    if not may_read(request.headers.get("Authorization", "")):
        return Response("This needs the bearer token of IDP_METRICS__TOKEN.\n", 401, {"WWW-Authenticate": "Bearer"})
    return Response(exposition(), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def may_read(authorization: str) -> bool:
    """Whether a request's `Authorization` entitles to the figures; with no token in the settings, any does."""
    token = current_provider().settings.metrics.token
    if token is None:
        return True
    scheme, _, shown = authorization.partition(" ")
    is_same = hmac.compare_digest(shown.strip().encode(), token.get_secret_value().encode())
    return is_same and scheme.lower() == "bearer"


def exposition() -> bytes:
    """Everything, in Prometheus' text format. Needs an application context."""
    metrics = cast(_Metrics, current_app.extensions[_EXTENSION])
    registry = CollectorRegistry()
    for part in (metrics.figures, metrics.requests):
        registry.register(part)
    return generate_latest(registry)
