"""``leadbench results``: stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.tables import FormatOption
from leadbench.core.errors import ResultsError
from leadbench.report.tables.agreement import agreement
from leadbench.results.migrate import migrate_results
from leadbench.results.store import RunStore
from leadbench.results.verify import verify_results


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


def agree(
    folders: Annotated[list[Path], typer.Argument(help="Run folders that differ in their evaluators.")],
    format: FormatOption = "github",
) -> None:
    """How alike evaluators order the same models.

    Kendall's tau of each metric, over the generated rows that two runs share.

    Example: leadbench results agree runs/bnr/t2m-0123456789 runs/bnr/t2m-9876543210
    """
    typer.echo(agreement([RunStore(folder).load() for folder in folders], format))


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or with run folders below it.")],
) -> None:
    """Check that stored runs are whole and as they were written.

    Every record carries a hash over its content and its run: one that was changed, copied from elsewhere, added or
    swapped is found. Runs that are not finished are named. Exit code 2 where something is wrong.

    Example: leadbench results verify results
    """
    found = verify_results(folder)
    for run in found:
        finished = "finished" if run.records == run.planned else "not finished"
        typer.echo(f"{run.folder}: {run.problem or f'{run.records} of {run.planned} records, {finished}'}")
    wrong = [run for run in found if run.problem]
    if wrong:
        raise ResultsError(f"{len(wrong)} of {len(found)} runs are not as they were written")
