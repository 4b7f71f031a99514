"""How much is said: ``--quiet`` and ``--verbose`` of the root command."""

from __future__ import annotations

from dataclasses import dataclass

import typer


@dataclass
class Volume:
    """What the root command was given."""

    quiet: bool = False
    verbose: bool = False


VOLUME = Volume()


def note(text: str) -> None:
    """Say something beside the result, on stderr; not with ``--quiet``."""
    if not VOLUME.quiet:
        typer.echo(text, err=True)
