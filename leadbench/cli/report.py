"""``leadbench report``: a page of stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.console import note
from leadbench.cli.options import AssetOptions, ProjectorOption, grouped
from leadbench.cli.outputs import all_readable, writable
from leadbench.cli.parsing import parse_names, parse_steps
from leadbench.core.errors import ConfigError
from leadbench.plugins.manager import load_plugins
from leadbench.tasks.report.assemble import write_report
from leadbench.tasks.report.compare import write_comparison
from leadbench.tasks.report.motions import motion_scenes
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.tasks.t2m.task import T2MTask


@grouped
def report(
    results: Annotated[
        list[Path], typer.Argument(help="Folders with run folders below them, such as runs.", callback=all_readable)
    ],
    assets: AssetOptions,
    out: Annotated[
        Path, typer.Option("--out", help="HTML file to write.", callback=writable("--out", file=True))
    ] = Path("report.html"),
    title: Annotated[str, typer.Option("--title", help="Of the page.")] = "Results",
    motions: Annotated[
        int, typer.Option("--motions", min=0, max=40, help="Captions to play, the worst and the best.")
    ] = 0,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Whose motions are played.")] = "mld,motionlcm",
    steps: Annotated[
        str | None, typer.Option("--steps", show_default=False, help="As for run; the first is played.")
    ] = None,
    projector: ProjectorOption = "auto",
    compare: Annotated[bool, typer.Option("--compare", help="Compare two run folders instead.")] = False,
) -> None:
    """Write one HTML file of stored results: tables, plots, claims, trainings, and motions that play.

    The file needs no network and can be sent. Tables sort, and copy as Markdown, LaTeX and CSV. With --motions,
    captions of the test split are generated for again, by the models that --dataset and --models name (by default the
    embedded ones), and the worst and the best ones by the evaluator's distance are played beside the real motions.

    Example: leadbench report runs --motions 4

    Example: leadbench report results/bnr results/synthetic --out results.html

    Example: leadbench report --compare runs/synthetic/t2m-0123456789 runs/synthetic/t2m-9876543210
    """
    if compare:
        if len(results) != 2:
            raise ConfigError(f"--compare: {len(results)} folders; needed: two run folders")
        typer.echo(f"wrote {write_comparison(results[0], results[1], out)}")
        return
    scenes: Sequence[Mapping[str, Any]] = ()
    if motions:
        request = RunRequest(backbones=parse_names(backbone), steps=parse_steps(steps), projector=projector)
        task = Recipe("t2m", request, assets.choice()).open(strict=assets.strict_plugins)
        assert isinstance(task, T2MTask)  # what the bundled factory returns
        scenes = motion_scenes(task, motions)
    plugins = load_plugins(assets.plugin or ())
    path = write_report(results, out, title=title, plugins=plugins, scenes=scenes)
    typer.echo(f"wrote {path}")
    note(f"{path.stat().st_size / 1e6:.1f} MB; open it in a browser")
