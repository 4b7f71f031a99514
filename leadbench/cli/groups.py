"""Groups of commands that are imported when they are called: ``--help`` lists them by the summaries that stand here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

_HELP = ("-h", "--help")
CONTEXT = {"help_option_names": [*_HELP]}


@dataclass(frozen=True)
class LazyCommand:
    """A command that is not imported yet.

    Attributes:
        module, function: where it is.
        summary: first line of its docstring, which a test compares.
    """

    module: str
    function: str
    summary: str


@dataclass(frozen=True)
class Group:
    """A group of commands, or of further groups, below a command; ``default`` is called where none is named."""

    summary: str
    entries: Mapping[str, LazyCommand | Group]
    default: str | None = None


class LazyGroup(TyperGroup):
    """A group that imports a command's module when the command is looked up; its own commands come first."""

    entries: Mapping[str, LazyCommand | Group] = {}
    default: str | None = None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before its options, where no command is named."""
        if self.default is not None and (not args or (args[0].startswith("-") and args[0] not in _HELP)):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of definition."""
        return [*self.entries, *(name for name in super().list_commands(ctx) if name not in self.entries)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None if there is none of that name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        return load(cmd_name, entry)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Names and summaries, without importing anything."""
        rows = [(name, entry.summary.partition(". ")[0]) for name, entry in self.entries.items()]
        others = (name for name in super().list_commands(ctx) if name not in self.entries)
        rows += [(name, command.get_short_help_str()) for name in others if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def load(name: str, entry: LazyCommand | Group) -> Any:
    """The click command of an entry; a group is made of its entries, which stay unimported."""
    if isinstance(entry, Group):
        return typer.main.get_group(typer_group(name, entry))
    function = getattr(importlib.import_module(entry.module), entry.function)
    app = new_typer(name)
    app.command(name, context_settings=CONTEXT)(function)
    command = typer.main.get_command(app)
    command.name = name
    return command


def typer_group(name: str, group: Group, **more: Any) -> typer.Typer:
    """A typer application whose commands are those of a group."""
    cls = type("CommandGroup", (LazyGroup,), {"entries": group.entries, "default": group.default})
    options = {"help": group.summary, "no_args_is_help": True, **more}
    app = new_typer(name, cls=cls, **options)
    if "callback" not in more:
        app.callback()(_nothing)
    return app


def new_typer(name: str, **more: Any) -> typer.Typer:
    """A typer application with plain help: drawing panels would take longer than all else that help needs."""
    return typer.Typer(
        name=name,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
        context_settings=CONTEXT,
        **more,
    )


def _nothing() -> None:
    pass
