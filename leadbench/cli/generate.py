"""``leadbench generate``: captions to motions on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    RootOption,
    choose,
    complete_backbones,
    parse_checkpoints,
)

CONCEPTS = Path("concepts")


def generate(
    captions: Annotated[list[str], typer.Argument(help="Captions; <NAME> stands for a concept.", show_default=False)],
    concept: Annotated[
        list[str] | None,
        typer.Option("--concept", help="A concept's file, or its name in --concepts.", show_default=False),
    ] = None,
    concepts: Annotated[Path, typer.Option("--concepts", help="Folder of learnt concepts.")] = CONCEPTS,
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbone.", autocompletion=complete_backbones)
    ] = "mld",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="[default: the backbone's]")] = None,
    guidance: Annotated[float | None, typer.Option("--guidance", help="[default: the backbone's]")] = None,
    projector: Annotated[str, typer.Option("--projector", help="auto, none, or a file.")] = "auto",
    frames: Annotated[int, typer.Option("--frames", help="Length: a multiple of 4, at most 196.")] = 120,
    count: Annotated[int, typer.Option("--count", min=1, help="Motions of each caption.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("generated"),
    strip: Annotated[
        Path | None, typer.Option("--strip", help="Also draw the poses (PNG).", show_default=False)
    ] = None,
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    models: ModelsOption = None,
    checkpoint: CheckpointOption = None,
    plugin: PluginOption = None,
) -> None:
    """Generate motions and write their features [F, D] and joints [F, J, 3] (metres, y up) as .npy.

    Example: leadbench generate "a person jumps" "someone waves" --strip motions.png

    Example: leadbench generate "a person <superman> slowly" --concept superman
    """
    request = late("leadbench.generate.generation:GenerateRequest")(
        tuple(captions), frames, count, steps, guidance, seed
    )
    choice = choose(dataset, models, plugin, root, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.zoo.assets:open_assets")(choice)
    generator = late("leadbench.tasks.mti.assemble:open_generator")(
        opened, backbone, projector, late("leadbench.generate.concepts:find_concepts")(concept or [], concepts)
    )
    motions = generator.generate(request)
    for path in late("leadbench.generate.generation:write_motions")(motions, request, generator, out):
        typer.echo(f"wrote {path}")
    if strip is not None:
        skeleton = late("leadbench.core.skeleton:get_skeleton")(opened.dataset.motion.skeleton)
        shown = {f"{number}\n{motion.caption}": motion.joints for number, motion in enumerate(motions)}
        note(f"wrote {late('leadbench.report.figures.strips:draw_strip')(shown, strip, skeleton)}")
