"""``leadbench generate``: captions to motions on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from leadbench.api.generation import draw_motions
from leadbench.cli.console import note
from leadbench.cli.options import AssetOptions, ProjectorOption, SeedOption, complete_backbones, grouped
from leadbench.cli.outputs import writable
from leadbench.generation.concepts import find_concepts
from leadbench.generation.generator import GenerateRequest, write_motions
from leadbench.tasks.mti.assemble import open_generator
from leadbench.zoo.assets import open_assets

CONCEPTS = Path("concepts")


@dataclass(frozen=True)
class SamplingOptions:
    """How motions are sampled."""

    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone.", autocompletion=complete_backbones)] = (
        "mld"
    )
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="[default: the backbone's]")] = None
    guidance: Annotated[float | None, typer.Option("--guidance", help="[default: the backbone's]")] = None
    projector: ProjectorOption = "auto"
    frames: Annotated[int, typer.Option("--frames", help="Length: a multiple of 4, at most 196.")] = 120
    count: Annotated[int, typer.Option("--count", min=1, help="Motions of each caption.")] = 1
    seed: SeedOption = 0


@grouped
def generate(
    captions: Annotated[list[str], typer.Argument(help="Captions; <NAME> stands for a concept.", show_default=False)],
    sampling: SamplingOptions,
    assets: AssetOptions,
    concept: Annotated[
        list[str] | None,
        typer.Option("--concept", help="A concept's file, or its name in --concepts.", show_default=False),
    ] = None,
    concepts: Annotated[Path, typer.Option("--concepts", help="Folder of learnt concepts.")] = CONCEPTS,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", callback=writable("--out"))] = Path(
        "generated"
    ),
    strip: Annotated[
        Path | None,
        typer.Option(
            "--strip",
            help="Also draw the poses (PNG).",
            show_default=False,
            callback=writable("--strip", file=True),
        ),
    ] = None,
) -> None:
    """Generate motions of captions, as .npy files.

    Features [F, D] and joints [F, J, 3] (metres, y up) of each.

    Example: leadbench generate "a person jumps" "someone waves" --strip motions.png

    Example: leadbench generate "a person <superman> slowly" --concept superman
    """
    request = GenerateRequest(
        tuple(captions), sampling.frames, sampling.count, sampling.steps, sampling.guidance, sampling.seed
    )
    opened = open_assets(assets.choice(), strict=assets.strict_plugins)
    learnt = find_concepts(concept or [], concepts)
    generator = open_generator(opened, sampling.backbone, sampling.projector, learnt)
    motions = generator.generate(request)
    for path in write_motions(motions, request, generator, out):
        typer.echo(f"wrote {path}")
    if strip is not None:
        note(f"wrote {draw_motions(motions, strip, skeleton=opened.dataset.motion.skeleton)}")
