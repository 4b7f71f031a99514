"""Write docs/cli.md from the help texts of the command line.

Usage: python scripts/cli_docs.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from leadbench.cli.main import app

HEAD = """# Command line

Written from the help texts by `python scripts/cli_docs.py`; do not edit.

Exit codes: 0 done; 1 a bug, with its traceback; 2 bad input, reported in one line
(`--verbose` adds the traceback); 130 interrupted.
Tables go to stdout, progress and notes to stderr. Colours appear on a terminal only, and not where `NO_COLOR` is set.
Shell completion: `leadbench --install-completion`.
"""


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and everything below it, in order of definition."""
    yield name, command
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        for word in command.list_commands(context):
            yield from commands(command.get_command(context, word), f"{name} {word}")


def section(name: str, command: Any) -> str:
    """Heading, help, and a list of arguments and options."""
    lines = [f"## `{name}`", "", *_paragraphs(command.help or "")]
    for parameter in command.params:
        if parameter.name in ("help", "install_completion", "show_completion"):
            continue
        if parameter.param_type_name == "argument":
            lines.append(f"- `{parameter.name.upper()}`: {getattr(parameter, 'help', None) or ''}".rstrip(": "))
            continue
        names = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        needed = " Required." if parameter.required else ""
        lines.append(f"- {names}: {parameter.help or ''}{needed}".rstrip(": "))
    return "\n".join(lines).rstrip() + "\n"


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        words = " ".join(paragraph.split())
        example = words.removeprefix("Example: ")
        lines += [f"    {example}" if example != words else words, ""]
    return lines


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(*pair) for pair in commands(typer.main.get_command(app), "leadbench"))])


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "cli.md"
    target.write_text(document(), encoding="utf-8")
