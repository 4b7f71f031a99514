"""``leadbench claims``: which of the paper's statements the stored records support."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.outputs import all_readable
from leadbench.cli.tables import FormatOption
from leadbench.report.claims.gather import LEAD, judge_results
from leadbench.report.claims.judge import overall
from leadbench.report.claims.render import render_claims
from leadbench.report.tables.engine import check_format


def claims(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders with run folders below them, such as runs or results/bnr.", callback=all_readable),
    ],
    format: FormatOption = "github",
    projector: Annotated[
        str, typer.Option("--projector", help="Judge a plugin's projector instead of LEAD, by its name.")
    ] = LEAD,
) -> None:
    """Judge the paper's claims on stored records.

    Every claim that the records below the folders can decide is judged on each dataset by itself. A claim holds or
    fails where paired differences are significant after Holm's adjustment, and is inconclusive otherwise. Runs of
    models that were trained alike with other seeds are judged together: then the training is the unit.

    Exit status: 0 every measured claim holds, 3 at least one fails, 4 none fails and some are inconclusive.

    Example: leadbench claims results/bnr results/synthetic

    Example: leadbench claims results/bnr --format json
    """
    check_format(format)
    judgements = judge_results(*results, projector=projector)
    typer.echo(render_claims(judgements, format))
    raise typer.Exit(overall([judged for judgement in judgements for judged in judgement.judged]))
