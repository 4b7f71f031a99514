"""``leadbench results``: stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.results.migrate import migrate_results


def migrate(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it, such as runs or results.")],
) -> None:
    """Bring stored runs to the current schema.

    Runs of older versions are replaced in place; values, seeds and provenance stay. Interrupt freely: the same command
    goes on where it stopped.

    Example: leadbench results migrate runs
    """
    changed, current = migrate_results(folder)
    for path in changed:
        typer.echo(f"migrated {path}")
    typer.echo(f"{len(changed)} runs migrated, {len(current)} were current")
