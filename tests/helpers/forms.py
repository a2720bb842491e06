"""HTML as a browser without a screen needs it: where we are, and the forms on the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Button:
    """What pressing a button would send besides the fields."""

    id: str
    name: str
    value: str


@dataclass(slots=True)
class Form:
    """A form: where it goes, its successful controls in order, and its submit buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    checkboxes: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def button(self, *, id: str | None = None, name: str | None = None, value: str | None = None) -> Button:
        """The one button that matches everything given. Raises LookupError."""
        for button in self.buttons:
            wanted = ((id, button.id), (name, button.name), (value, button.value))
            if all(expected is None or expected == actual for expected, actual in wanted):
                return button
        raise LookupError(f"no button id={id} name={name} value={value} in {self.buttons}")


class PageParser(HTMLParser):
    """Collects the forms, `data-page`, the title, links and the visible text of a document."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.data_page: str | None = None
        self.title = ""
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self._words: list[str] = []
        self._form: Form | None = None
        self._by_id: dict[str, Form] = {}
        self._select: str | None = None
        self._textarea: str | None = None
        self._in: list[str] = []
        self.feed(text)
        self.close()

    @property
    def text(self) -> str:
        """The text that a person would read, whitespace collapsed."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the start of an element."""
        values = {name: value or "" for name, value in attrs}
        if tag == "main":
            self.data_page = values.get("data-page")
        elif tag == "a" and "href" in values:
            self.links.append((values.get("id", ""), values["href"]))
        elif tag == "form":
            self._form = Form(values.get("action", ""), values.get("method", "get").lower())
            self.forms.append(self._form)
            if values.get("id"):
                self._by_id[values["id"]] = self._form
        elif tag in ("input", "button", "select", "option", "textarea"):
            self._control(tag, values)
        if tag in ("title", "script", "style", "textarea"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        """Collect text where a person sees it."""
        if not self._in:
            self._words.append(data)
        elif self._in[-1] == "title":
            self.title += data

    def _control(self, tag: str, values: dict[str, str]) -> None:
        form = self._by_id.get(values.get("form", ""), self._form)
        if form is None or "disabled" in values:
            return
        name, value, kind = values.get("name", ""), values.get("value", ""), values.get("type", "").lower()
        if name:
            form.names.add(name)
        if tag == "button" or kind in ("submit", "image"):
            if kind not in ("button", "reset"):
                form.buttons.append(Button(values.get("id", ""), name, value))
        elif tag == "select":
            self._select = name
        elif tag == "option":
            if self._select and "selected" in values:
                form.fields.append((self._select, value))
        elif kind in ("checkbox", "radio"):
            form.checkboxes.append((name, value or "on"))
            if "checked" in values:
                form.fields.append((name, value or "on"))
        elif name:
            form.fields.append((name, value))
