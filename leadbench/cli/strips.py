"""``leadbench strips``: look at the motions behind the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.options import AssetOptions, ProjectorOption, complete_backbones, grouped
from leadbench.cli.outputs import writable
from leadbench.cli.parsing import parse_names, parse_steps
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.tasks.t2m.strips import draw_comparison
from leadbench.tasks.t2m.task import T2MTask


@grouped
def strips(
    sample: Annotated[str, typer.Option("--id", help="Id of a test motion.")],
    out: Annotated[Path, typer.Option("--out", help="PNG to write.", callback=writable("--out", file=True))],
    assets: AssetOptions,
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones)
    ] = "mld,motionlcm",
    steps: Annotated[
        str | None, typer.Option("--steps", show_default=False, help="As for run; the first is drawn.")
    ] = None,
    projector: ProjectorOption = "auto",
) -> None:
    """Draw a test motion real, generated and realigned.

    A strip of poses (PNG), with the reconstruction of the autoencoder.

    Example: leadbench strips --dataset data/bnr --id 2_walk_normal_001 --out walk.png
    """
    request = RunRequest(backbones=parse_names(backbone), steps=parse_steps(steps), projector=projector)
    task = Recipe("t2m", request, assets.choice()).open(strict=assets.strict_plugins)
    assert isinstance(task, T2MTask)  # what the bundled factory returns
    typer.echo(f"wrote {draw_comparison(task, sample, out)}")
