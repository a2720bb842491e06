"""The page that a mailed link leads to: it says what the link does, and a button does it.

Looking does nothing, as often as anybody looks: programs that check mail open every link in it (RS8). The link is
used by the POST, once, in the transaction that does what it is for.

The link is a bearer value. Its page loads nothing but our own files, and tells nobody where it was opened.
"""

from collections.abc import Callable
from functools import wraps

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString

from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.identity.directory.emails import masked_email
from idp.storage.db import transaction
from idp.web.csrf import check_csrf
from idp.web.pages import language_links, render_page, withhold_referrer
from idp.web.provider import current_provider

View = Callable[[], ResponseReturnValue]


def mailed_link(
    purpose: Purpose,
    *,
    title: LazyString,
    text: LazyString,
    button: LazyString,
    button_id: str,
    another: tuple[str, LazyString],
    stays: bool = False,
) -> Callable[[Callable[[Proof], ResponseReturnValue | None]], View]:
    """Decorate what follows from the links of one purpose; to be routed at its `link_path`, GET and POST.

    The decorated function is given the proof, which is used up in the same transaction: if it raises, the link works
    as before. None says that the proof is void. It must not hash passwords; that comes on a later page. `another` is an
    endpoint where people whose link does not work any more get a new one, and the words that lead there. A link that
    `stays` is not used up by the button, but later by what it is for (`MailedProofs.use`): nobody can get another one.
    """

    def decorate(use: Callable[[Proof], ResponseReturnValue | None]) -> View:
        @wraps(use)
        def view() -> ResponseReturnValue:
            withhold_referrer()
            return _used() if request.method == "POST" else _asked()

        def _asked() -> Response:
            token = request.args.get("token", "")
            proof = current_provider().proofs.find(purpose, token)
            if proof is None:
                return _over()
            return render_page(
                "signin/mailed_link.html",
                title=title,
                text=text,
                button=button,
                button_id=button_id,
                address=masked_email(proof.address),
                token=token,
                action=request.path,
                # The page is not there without its token.
                languages=language_links(f"{request.path}?token={token}"),
            )

        def _used() -> ResponseReturnValue:
            check_csrf()
            with transaction():
                look = current_provider().proofs.find if stays else current_provider().proofs.redeem
                proof = look(purpose, request.form.get("token", ""))
                return (None if proof is None else use(proof)) or _over()

        def _over() -> Response:
            endpoint, words = another
            return link_over(url_for(endpoint), words)

        return view

    return decorate


def link_over(another_url: str, words: str | LazyString) -> Response:
    """The page for a link that works no more, and where to go instead."""
    return render_page("signin/mailed_link_over.html", status=410, another_url=another_url, words=words)
