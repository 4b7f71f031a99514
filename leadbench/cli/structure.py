"""``leadbench structure``: what the projector does to the latent space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import (
    AssetOptions,
    OutputOptions,
    ProjectorOption,
    SeedOption,
    SkipBadOption,
    complete_backbones,
    grouped,
)
from leadbench.cli.outputs import writable
from leadbench.cli.running import run_and_print
from leadbench.core.config import StructureConfig
from leadbench.results.points import write_points
from leadbench.tasks.shared.runner import Recipe
from leadbench.tasks.structure.assemble import StructureRequest
from leadbench.tasks.structure.task import StructureTask
from leadbench.zoo.embedded import NOTE


@grouped
def structure(
    assets: AssetOptions,
    output: OutputOptions,
    split: Annotated[str, typer.Option("--split", help="Motions to look at: train, val or test.")] = "test",
    projector: ProjectorOption = "auto",
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            "-b",
            help="Whose latent space [default: the model folder's own].",
            show_default=False,
            autocompletion=complete_backbones,
        ),
    ] = None,
    seed: SeedOption = 0,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            help="PNG to write [default: structure.png beside the records].",
            show_default=False,
            callback=writable("--figure", file=True),
        ),
    ] = None,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Figure 3: latents before and after the projector.

    t-SNE of both in one picture, with numbers beside it. Without --dataset it looks at the embedded corpus.

    Example: leadbench structure --dataset data/bnr --figure structure.png
    """
    config = StructureConfig(seed=seed, split=split, skip_bad_motions=skip_bad_motions)
    notes = (NOTE,) if assets.dataset is None else ()
    request = StructureRequest(backbone, projector, notes, config)
    task = Recipe("structure", request, assets.choice()).open(strict=assets.strict_plugins)
    done = run_and_print(task, output)
    assert isinstance(task, StructureTask)  # what the bundled factory returns
    write_points(task.points(), done.folder)
    note(f"figure: {task.draw(figure or done.folder / 'structure.png', done)}")
