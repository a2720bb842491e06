"""The gallery: every page with sample data, under the headers of the real thing, without a database.

`python -m tests.helpers.gallery` serves it; `--shots DIR` photographs every variant in Chromium instead.
"""

import argparse
import logging
import mimetypes
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, render_template, request, url_for
from flask_babel import Babel
from jinja2 import StrictUndefined
from werkzeug.serving import make_server

from idp.core.resources import resource_dir, translations_dir
from idp.services.notify.rendering import LANGUAGES, render_mail
from idp.web.mailbox import MAIL_POLICY
from tests.helpers.gallery_pages import VARIANTS
from tests.helpers.sample_mail import TEMPLATES, VALUES

_BY_NAME = {variant.name: variant for variant in VARIANTS}
_RTL = {"he", "ar"}
_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 56 56">'
    '<rect width="56" height="56" fill="#1f2a68"/>'
    '<path d="M14 40V16l14 14 14-14v24" fill="none" stroke="#ffd166" stroke-width="5"/></svg>'
)
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = ("--no-sandbox", "--disable-background-networking")


def create_gallery() -> Flask:
    """The gallery as a Flask application. A template that reads a name nobody promised fails loudly."""
    app = Flask(
        "gallery",
        template_folder=str(resource_dir("templates")),
        static_folder=str(resource_dir("static")),
        static_url_path="/static",
    )
    app.view_functions["static"] = _static
    app.jinja_env.undefined = StrictUndefined
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations_dir())
    Babel(app, locale_selector=lambda: g.get("locale", "en"))

    @app.context_processor
    def common() -> dict[str, Any]:
        locale = g.get("locale", "en")
        return {
            "product_name": "idp",
            "locale": locale,
            "theme": None,
            "text_dir": "rtl" if locale in _RTL else "ltr",
            "languages": [("en", "English", "?lang=en"), ("de", "Deutsch", "?lang=de"), ("he", "עברית", "?lang=he")],
            "support_url": "https://example.com/help",
            "request_id": "01JPA7V5Q2N8",
            "csrf_token": "sample",
            "asset": lambda name: url_for("static", filename=name),
            "client": None,
            "back_url": None,
            "errors": [],
            "csp_nonce": g.csp_nonce,
        }

    @app.before_request
    def nonce() -> None:
        g.csp_nonce = secrets.token_urlsafe(16)

    @app.after_request
    def policy(response: Response) -> Response:
        nonce = f" 'nonce-{g.csp_nonce}'" if request.path == "/page/form-post" else ""
        if request.path.startswith(("/mail/", "/dev/mail/")):
            response.headers["Content-Security-Policy"] = MAIL_POLICY
            return response
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; script-src 'self'{nonce}; img-src 'self'; "
            "frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    # Under the name by which pages lead to the start page.
    @app.get("/", endpoint="web.home")
    def index() -> str:
        paths = [f"page/{name}" for name in _BY_NAME] + [f"mail/{name}" for name in TEMPLATES]
        return "".join(f'<p><a href="/{path}">{path.partition("/")[2]}</a></p>' for path in paths)

    @app.get("/page/<name>")
    def page(name: str) -> str:
        variant = _BY_NAME.get(name) or abort(404)
        g.locale = request.args.get("lang", variant.locale)
        return render_template(variant.template, **variant.context)

    @app.get("/mail/<name>")
    def mail(name: str) -> str:
        language = request.args.get("lang", "en")
        return render_mail(name if name in TEMPLATES else abort(404), language, VALUES).html

    @app.get("/dev/mail/<mail_id>", endpoint="web.one_mail")
    @app.get("/dev/mail/<mail_id>/html", endpoint="web.mail_as_html")
    def one_mail(mail_id: str) -> str:
        return render_mail("registration_code", "en", VALUES).html

    @app.get("/sample-logo.svg")
    def logo() -> Response:
        return Response(_LOGO, mimetype="image/svg+xml")

    @app.post("/landed")
    def landed() -> dict[str, str]:
        return dict(request.form)

    return app


def _static(filename: str) -> Response:
    """Read whole: Chromium hangs up on icons when a page closes, and a file being streamed would stay open."""
    path = resource_dir("static") / filename
    if not path.is_file() or path.parent != resource_dir("static"):
        abort(404)
    return Response(path.read_bytes(), mimetype=mimetypes.guess_type(filename)[0])


@contextmanager
def served_gallery(port: int = 0) -> Iterator[str]:
    """Serve the gallery on loopback from a thread; yields its base URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", port, create_gallery(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def photograph(directory: Path, wanted: list[str]) -> None:
    """Write one PNG per variant × {desktop, phone} × {light, dark}."""
    from playwright.sync_api import sync_playwright

    directory.mkdir(parents=True, exist_ok=True)
    views = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
    with served_gallery() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        for view, size in views.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport=size, color_scheme=scheme)
                for name in wanted or _everything():
                    page.goto(f"{base}/{name}" if name.startswith("mail/") else f"{base}/page/{name}")
                    shot = f"{name}-{view}-{scheme}.png".replace("/", "-").replace("?lang=", "-")
                    page.screenshot(path=directory / shot, full_page=True)
                page.close()
        browser.close()


def _everything() -> list[str]:
    pages = [name for name in _BY_NAME if name != "form-post"]
    return pages + [f"mail/{name}?lang={language}" for name in TEMPLATES for language in LANGUAGES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--shots", type=Path, help="a directory for screenshots")
    parser.add_argument("names", nargs="*", help="only these variants, or mail/NAME?lang=LANGUAGE")
    options = parser.parse_args()
    if options.shots:
        photograph(options.shots, options.names)
        return
    with served_gallery(options.port) as base:
        print(base)
        threading.Event().wait()


if __name__ == "__main__":
    main()
