"""The WSGI application, for `idp serve`, granian or gunicorn: `gunicorn idp.wsgi:app`."""

import gc

from idp.app import create_app

app = create_app()

# What is loaded by now stays for good. The garbage collector need not look at it again, 50 ms each time, and worker
# processes that are forked from here go on sharing its memory.
gc.collect()
gc.freeze()
