"""The WSGI application, for `idp serve`, granian or gunicorn: `gunicorn idp.wsgi:app`."""

from idp.app import create_app

app = create_app()
