"""`python -m tests.helpers.traced_serve …` is `python -m idp …` with coverage of what the server answers.

The server calls the application from threads that Python did not start, and before Python 3.12 coverage
sees only threads that Python starts. Here the application switches the tracing on in each of them.
"""

import sys
import threading
from collections.abc import Iterable
from typing import Any

from idp.cli import main
from idp.wsgi import app

_application = app.wsgi_app


def _traced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if sys.gettrace() is None and threading.gettrace() is not None:
        sys.settrace(threading.gettrace())
    return _application(environ, start_response)


if __name__ == "__main__":
    app.wsgi_app = _traced  # type: ignore[method-assign]
    main()
