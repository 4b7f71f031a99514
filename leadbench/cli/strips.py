"""``leadbench strips``: look at the motions behind the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import (
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    RootOption,
    StrictOption,
    choose,
    parse_steps,
)


def strips(
    sample: Annotated[str, typer.Option("--id", help="Id of a test motion.")],
    out: Annotated[Path, typer.Option("--out", help="PNG to write.")],
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbones, separated by commas.")
    ] = "mld,motionlcm",
    steps: Annotated[
        str | None, typer.Option("--steps", show_default=False, help="As for run; the first is drawn.")
    ] = None,
    projector: Annotated[str, typer.Option("--projector", help="auto, none, or a file.")] = "auto",
    models: ModelsOption = None,
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
) -> None:
    """Draw a test motion real, reconstructed, generated and realigned, as a strip of poses (PNG).

    Example: leadbench strips --dataset data/bnr --id 2_walk_normal_001 --out walk.png
    """
    request = late("leadbench.tasks.t2m.request:T2MRequest")(
        backbones=tuple(name.strip() for name in backbone.split(",") if name.strip()),
        steps=parse_steps(steps),
        projector=projector,
    )
    recipe = late("leadbench.tasks.shared.workers:Recipe")(request, choose(dataset, models, plugin, root), Path())
    assembled, _ = recipe.assemble(strict=strict_plugins)
    typer.echo(f"wrote {late('leadbench.tasks.t2m.strips:draw_comparison')(assembled, sample, out)}")
