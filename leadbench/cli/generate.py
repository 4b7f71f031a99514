"""``leadbench generate``: captions to motions on disk."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import AssetOptions, ProjectorOption, SeedOption, complete_backbones, grouped
from leadbench.cli.outputs import writable
from leadbench.cli.parsing import parse_names
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError, WeightsError
from leadbench.core.reading import read_lines
from leadbench.generation.concepts import Concept, find_concepts
from leadbench.generation.formats import FORMATS, check_formats
from leadbench.generation.generator import GeneratedMotion, GenerateRequest, Generator, frames_of
from leadbench.generation.lengths import lengths_for, open_length
from leadbench.generation.opening import open_generator
from leadbench.generation.writing import generate_all, write_motions
from leadbench.tasks.shared.opening import untrained
from leadbench.zoo.assets import Opened, open_assets

CONCEPTS = Path("concepts")


@dataclass(frozen=True)
class SamplingOptions:
    """How motions are sampled."""

    backbone: Annotated[
        str,
        typer.Option(
            "--backbone", "-b", help="Backbones, separated by commas; or all.", autocompletion=complete_backbones
        ),
    ] = "mld"
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="[default: the backbone's]")] = None
    guidance: Annotated[float | None, typer.Option("--guidance", help="[default: the backbone's]")] = None
    projector: ProjectorOption = "auto"
    frames: Annotated[
        int | None,
        typer.Option(
            "--frames",
            help="Length: a multiple of 4, at most 196 [default: predicted from the caption, else 120].",
            show_default=False,
        ),
    ] = None
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Length instead of --frames, to the nearest that fits.")
    ] = None
    count: Annotated[int, typer.Option("--count", min=1, help="Motions of each caption.")] = 1
    seed: SeedOption = 0


@dataclass(frozen=True)
class OutputOptions:
    """What is written where."""

    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", callback=writable("--out"))] = Path(
        "generated"
    )
    forms: Annotated[
        str, typer.Option("--as", help=f"Formats, separated by commas: {', '.join(FORMATS)}.", metavar="FORMATS")
    ] = "npy,html"
    strip: Annotated[
        Path | None,
        typer.Option(
            "--strip",
            help="Also draw the poses (PNG).",
            show_default=False,
            callback=writable("--strip", file=True),
        ),
    ] = None


@grouped
def generate(
    sampling: SamplingOptions,
    output: OutputOptions,
    assets: AssetOptions,
    captions: Annotated[
        list[str] | None, typer.Argument(help="Captions; <NAME> stands for a concept.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--captions", help="File of captions, one a line; - reads standard input.", show_default=False),
    ] = None,
    concept: Annotated[
        list[str] | None,
        typer.Option("--concept", help="A concept's file, or its name in --concepts.", show_default=False),
    ] = None,
    concepts: Annotated[Path, typer.Option("--concepts", help="Folder of learnt concepts.")] = CONCEPTS,
) -> None:
    """Generate motions of captions: arrays, a page that plays them, files for animation tools, videos.

    As npy, features [F, D] and joints [F, J, 3] (metres, y up) of each. As html, one page for all, which needs no
    network. As bvh or glb, an animated skeleton; as mp4 or gif, a video (for mp4 and glb: pip install
    'leadbench[export]').

    Example: leadbench generate "a person jumps" "someone waves" --backbone mld,motionlcm

    Example: leadbench generate --captions captions.txt --seconds 4 --as bvh,glb,mp4

    Example: leadbench generate "a person <superman> slowly" --concept superman
    """
    formats = check_formats(parse_names(output.forms, "--as"))
    texts = _texts(captions or [], file)
    opened = open_assets(assets.choice(), strict=assets.strict_plugins)
    spec = opened.dataset.motion
    frames = frames_of(sampling.frames, sampling.seconds, spec.fps)
    learnt = find_concepts(concept or [], concepts)
    generators = _generators(opened, sampling, learnt)
    lengths = _lengths(opened, generators, texts) if frames is None else frames
    request = GenerateRequest(texts, lengths, sampling.count, sampling.steps, sampling.guidance, sampling.seed)
    motions: list[GeneratedMotion] = []
    with progress() as bars:
        for number, made in enumerate(generate_all(generators, request)):
            motions += made
            if len(generators) > 1:
                bars.show("generating", number + 1, len(generators), generators[number].backbone.name)
    for path in write_motions(motions, request, generators, output.out, formats):
        typer.echo(f"wrote {path}")
    if output.strip is not None:
        from leadbench.api.generation import draw_motions  # imports matplotlib, for which others need not wait

        note(f"wrote {draw_motions(motions, output.strip, skeleton=spec.skeleton)}")


def _generators(opened: Opened, sampling: SamplingOptions, concepts: Mapping[str, Concept]) -> list[Generator]:
    """Those that are named; for ``all`` every backbone that has been trained."""
    every = sampling.backbone == "all"
    found = []
    for name in opened.plugins.names("backbone") if every else parse_names(sampling.backbone):
        try:
            made = open_generator(opened, name, sampling.projector, concepts)
        except WeightsError as problem:
            if not every:
                raise
            note(f"without {name}: {problem}")
            continue
        warning = untrained(opened, name)
        if warning:
            note(f"without {name}: {warning}" if every else f"warning: {warning}")
        if not (warning and every):
            found.append(made)
    return found


def _lengths(opened: Opened, generators: Sequence[Generator], captions: Sequence[str]) -> tuple[int, ...]:
    """Frames of each caption's motion, where the user gives no length."""
    encoder = generators[0].backbone.text_encoder.name if generators else ""
    predictor = open_length(opened.models, encoder)
    found = lengths_for(captions, predictor)
    if predictor is not None:
        seconds = sorted({frames / opened.dataset.motion.fps for frames in found})
        shown = f"{seconds[0]:.1f} s" if len(seconds) == 1 else f"{seconds[0]:.1f} to {seconds[-1]:.1f} s"
        note(f"length by {predictor.name}: {shown} (--seconds or --frames sets it)")
    return found


def _texts(captions: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Captions of the command line, then those of a file or of standard input."""
    found = list(captions)
    if file == Path("-"):
        found += [line.strip() for line in sys.stdin if line.strip()]
    elif file is not None:
        found += [line.strip() for _, line in read_lines(file, ConfigError) if line.strip()]
    if not found:
        where = "" if file is None else f" in {file}"
        raise ConfigError(f"no caption{where}: give captions as arguments, or a file with --captions")
    return tuple(found)
