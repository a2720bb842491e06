"""reference/cli.md"""

from collections.abc import Iterator

import click

from docs.generate.markdown import code, page, table
from idp.cli import main

_INTRODUCTION = """
The console script `idp` is installed with the package; `python -m idp` is the same. It reads its settings from the
environment ([settings.md](settings.md)), so run it with those of the server. `-h` after any command explains it.

Commands answer on standard output and complain on standard error. The exit code is 0, 1 (it did not work; the sentence
says why) or 2 (the command line is wrong). With `--json` the answer is for programs; times are RFC 3339 in UTC.
"""


def cli_page() -> str:
    """Every command with its arguments and options."""
    parts = []
    for path, command in commands():
        if isinstance(command, click.Group):
            parts.append(f"## idp {path}\n\n{_help(command)}")
        else:
            parts.append(_described(path, command))
    listing = table(("command", "what it does"), [(code(f"idp {path}"), _help(c)) for path, c in leaves()])
    return page("Command line", _INTRODUCTION, listing, *parts)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every group and command, by what is typed after `idp`."""
    for name, command in sorted(main.commands.items(), key=lambda item: isinstance(item[1], click.Group)):
        yield name, command
        if isinstance(command, click.Group):
            for inner, leaf in sorted(command.commands.items()):
                yield f"{name} {inner}", leaf


def leaves() -> list[tuple[str, click.Command]]:
    """The commands that do something."""
    return [(path, command) for path, command in commands() if not isinstance(command, click.Group)]


def _described(path: str, command: click.Command) -> str:
    level = "##" if " " not in path else "###"
    context = click.Context(command, info_name=f"idp {path}")
    usage = " ".join([f"idp {path}", *command.collect_usage_pieces(context)])
    rows = [
        (code(_names(option)), _option_help(option)) for option in command.params if isinstance(option, click.Option)
    ]
    parts = [f"{level} idp {path}", _help(command), f"```\n{usage}\n```"]
    if rows:
        parts.append(table(("option", "meaning"), rows))
    return "\n\n".join(parts)


def _help(command: click.Command) -> str:
    return " ".join((command.help or "").split())


def _names(option: click.Option) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return " / ".join([names, *option.secondary_opts])
    metavar = option.make_metavar(click.Context(click.Command("any")))
    return f"{names} {metavar.replace('INTEGER RANGE', 'NUMBER').replace('FILENAME', 'FILE')}"


def _option_help(option: click.Option) -> str:
    text = option.help or ""
    if option.required:
        text += " Required."
    if option.show_default and option.default is not None and not option.is_flag:
        text += f" Default: {code(str(option.default))}."
    return text.strip()
