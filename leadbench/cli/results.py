"""``leadbench results``: stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.outputs import all_readable, readable, writable
from leadbench.cli.tables import FormatOption
from leadbench.core.errors import ResultsError
from leadbench.report.tables.agreement import agreement
from leadbench.results.merge import merge_runs
from leadbench.results.migrate import migrate_results
from leadbench.results.store import RunStore
from leadbench.results.verify import verify_results


def migrate(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it, such as runs or results.")],
) -> None:
    """Convert stored runs to the current schema.

    Runs of older versions are replaced in place; values, seeds and provenance stay. Safe to interrupt: the same
    command continues where it stopped.

    Example: leadbench results migrate runs
    """
    changed, current = migrate_results(folder)
    for path in changed:
        typer.echo(f"migrated {path}")
    typer.echo(f"{len(changed)} runs migrated, {len(current)} were current")


def agree(
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders that differ in their evaluators.", callback=all_readable)
    ],
    format: FormatOption = "github",
) -> None:
    """How well evaluators agree on the ranking of models.

    Kendall's tau of each metric, over the generated rows that two runs share.

    Example: leadbench results agree runs/bnr/t2m-0123456789 runs/bnr/t2m-9876543210
    """
    typer.echo(agreement([RunStore(folder).load() for folder in folders], format))


def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders, or folders with runs below them.", callback=all_readable)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder of results to write to.", callback=writable("--out"))
    ] = Path("runs"),
) -> None:
    """Join runs whose parts were computed on several machines.

    Records of one run are put together, as leadbench run --part makes them on several machines; other runs lie beside
    each other. Different runs that are to be one, and records with different numbers, are refused before
    anything is written. The same command again changes nothing.

    Example: leadbench results merge machine-1/runs machine-2/runs --out runs
    """
    for run in merge_runs(folders, out):
        state = f"{run.records} of {run.planned} records" if run.planned else f"{run.records} records"
        twice = f", {run.twice} in several places" if run.twice else ""
        typer.echo(f"{run.folder}: {state} ({run.added} new{twice})")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or with run folders below it.", callback=readable)],
) -> None:
    """Check that stored runs are complete and unchanged.

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
