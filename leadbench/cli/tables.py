"""``leadbench tables`` and ``leadbench published``: tables of stored runs, and the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import PluginOption, complete_formats
from leadbench.cli.outputs import readable, writable
from leadbench.plugins.manager import load_plugins
from leadbench.report.figures.pools import draw_pools
from leadbench.report.published import render_published
from leadbench.report.tables.diagnostics import render_diagnostics, render_profile
from leadbench.report.tables.engine import check_format
from leadbench.results.store import RunStore
from leadbench.tasks.stored import published_tables, render_run
from leadbench.tasks.t2m.tables import pool_curves

FormatOption = Annotated[
    str,
    typer.Option("--format", "-f", help="github, latex, csv, json, plain or html.", autocompletion=complete_formats),
]


def tables(
    results: Annotated[Path, typer.Argument(help="Folder of a run, as `leadbench run` printed it.", callback=readable)],
    format: FormatOption = "github",
    diagnostics: Annotated[
        bool, typer.Option("--diagnostics", help="Latent norms and foot skating instead of the metrics.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Where the time of a run went, by stage.")] = False,
    published: Annotated[
        bool,
        typer.Option("--published", help="Also print the paper's tables of the same layout, of other data."),
    ] = False,
    rank_published: Annotated[
        bool, typer.Option("--rank-published", help="The paper's rows compete for best and second.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            help="Also draw R@1 by the size of the pool, of a run with --metric pools, as PNG.",
            show_default=False,
            callback=writable("--figure", file=True),
        ),
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Print the tables of a stored run.

    On HumanML3D and KIT-ML the paper's rows stand below ours. A run of a plugin's task is rendered by the plugin, or as
    rows and metrics where it is not installed.

    Example: leadbench tables results/bnr/t2m-0123456789 --format latex
    """
    check_format(format)
    run = RunStore(results).load()
    if diagnostics:
        typer.echo(render_diagnostics(run, format))
        return
    if profile:
        typer.echo(render_profile(run.records, format))
        return
    if figure is not None:
        title = f"{run.records[0].dataset}: R@1 by the size of the pool, mean and 95 % interval"
        note(f"figure: {draw_pools(pool_curves(run), figure, title=title)}")
    typer.echo(render_run(run, format, rank_published=rank_published, plugins=load_plugins(plugin or ())))
    if published:
        for number in published_tables(run):
            typer.echo("\n" + render_published(number, format))


def show_published(
    table: Annotated[int, typer.Argument(help="Number of the table, 1 to 6.")], format: FormatOption = "github"
) -> None:
    """Print one of the paper's tables.

    Example: leadbench published 5
    """
    typer.echo(render_published(table, format))
