"""reference/mails.md"""

import re
from pathlib import Path

from docs.generate.markdown import code, page, table
from idp.core.resources import resource_dir

TEMPLATES = resource_dir("templates") / "mail"
_COMMENT = re.compile(r"\A\{#\n  When: (.+)\n  To: (.+)\n-#\}\n")
_SUBJECT = re.compile(r'\{% block subject %\}\{\{ _\("((?:[^"\\]|\\.)+)"')

_INTRODUCTION = """
Every mail that idp sends, text and HTML alike, in the person's language. All of them answer something that a person or
an operator did, or tell of something that happened to an account; nobody can switch them off, and none advertises.

Each is written in the transaction of what it tells of, and sent from the outbox ([how](../how-to/send-mail.md)). Links
lead to the issuer. Opening one shows a page and changes nothing, because mail scanners open links, too; the page's
button does. What says something of limited use is not sent after that: a code that is late is no code.
"""

_CLOSING = """
`idp message list --kind mail` lists what was sent and what could not be. To change what a mail says, change its
template in `templates/mail/`; the text and the HTML are made from the same one.
"""


def mails_page() -> str:
    """Every mail with its occasion."""
    rows = [_row(path) for path in sorted(TEMPLATES.glob("*.jinja"))]
    return page(
        "Mails",
        _INTRODUCTION,
        table(("mail", "subject in English", "sent when", "to", "carries"), rows),
        _CLOSING,
    )


def occasion(path: Path) -> tuple[str, str]:
    """When the mail of a template is sent, and to whom. Raises ValueError if its first comment does not say."""
    found = _COMMENT.match(path.read_text())
    if found is None:
        raise ValueError(f"{path.name} does not begin with a comment of two lines, 'When: …' and 'To: …'")
    return found[1], found[2]


def _row(path: Path) -> tuple[str, ...]:
    text = path.read_text()
    when, to = occasion(path)
    subject = _SUBJECT.search(text)
    if subject is None:
        raise ValueError(f"{path.name} has no subject")
    shown = re.sub(r"%\((\w+)\)s", r"*\1*", subject[1])
    carried = [name for name, sign in (("a code", "m.code("), ("a link of its own", "m.action(url,")) if sign in text]
    return code(path.stem), shown, when, to, ", ".join(carried)
