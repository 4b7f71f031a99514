"""``leadbench train``: one command per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import (
    DatasetOption,
    ModelsOption,
    PluginOption,
    PresetOption,
    SkipBadOption,
    StrictOption,
    open_store,
)
from leadbench.cli.progress import figures_text, progress
from leadbench.errors import ConfigError

app = typer.Typer(
    help="Train a stage. Interrupt freely: the same command goes on where it stopped.", no_args_is_help=True
)

EncoderOption = Annotated[
    str | None, typer.Option("--text-encoder", help="Text encoder [default: the preset's].", show_default=False)
]


def _train(
    stage: str,
    dataset: Path,
    models: Path | None,
    preset: str,
    plugin: list[Path] | None,
    strict: bool,
    skip: bool,
    *args: Any,
) -> None:
    """Open everything, run ``train_STAGE`` of leadbench.training.stages, say where the weights are."""
    chosen = late("leadbench.presets:get_preset")(preset)
    folder = late("leadbench.data.humanml3d:HumanML3DFolder")(dataset)
    _, store = open_store(models or dataset / "models", plugin, strict)
    with progress() as reporter:
        shop = late("leadbench.training.stages:Workshop")(
            folder,
            chosen,
            store,
            report=lambda p: reporter.show(p.stage, p.step, p.steps, figures_text(p.figures)),
            skip_bad=skip,
        )
        resolved = [arg(chosen) if callable(arg) else arg for arg in args]
        path = late(f"leadbench.training.stages:train_{stage}")(shop, *resolved)
    typer.echo(f"wrote {path}")


@app.command()
def autoencoder(
    dataset: DatasetOption,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Stage 1: the motion autoencoder.

    Example: leadbench train autoencoder --dataset data/bnr
    """
    _train("autoencoder", dataset, models, preset, plugin, strict_plugins, skip_bad_motions)


@app.command()
def diffusion(
    dataset: DatasetOption,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    text_encoder: EncoderOption = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="Train this plugin's backbone by its own loss.", show_default=False),
    ] = None,
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Stage 2: the latent denoiser, with 10 % of the captions dropped; or a plugin's own backbone.

    Example: leadbench train diffusion --dataset data/bnr --text-encoder wordllama
    """
    if backbone is None:
        encoder = text_encoder or (lambda chosen: chosen.teacher_encoder)
        _train("diffusion", dataset, models, preset, plugin, strict_plugins, skip_bad_motions, encoder)
        return
    if text_encoder is not None:
        raise ConfigError("--text-encoder: a backbone of a plugin brings its own; leave one of the two options out")
    plugins, store = open_store(models or dataset / "models", plugin, strict_plugins)

    def create(name: str) -> object:
        return plugins.create("backbone", name, store, where="--backbone")

    # callables among the arguments are asked with the preset, so both are wrapped
    arguments = (lambda _: backbone, lambda _: create)
    _train("backbone", dataset, models, preset, plugin, strict_plugins, skip_bad_motions, *arguments)


@app.command()
def consistency(
    dataset: DatasetOption,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    text_encoder: EncoderOption = None,
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Distil the denoiser of a text encoder to few steps.

    Example: leadbench train consistency --dataset data/bnr
    """
    encoder = text_encoder or (lambda chosen: chosen.student_encoder)
    _train("consistency", dataset, models, preset, plugin, strict_plugins, skip_bad_motions, encoder)


@app.command()
def projector(
    dataset: DatasetOption,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    align_encoder: Annotated[
        str | None,
        typer.Option("--align-encoder", help="Text space to align to [default: the teacher's].", show_default=False),
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="full, or a loss left out: no-align, no-rec, no-var.")
    ] = "full",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Stage 3: the LEAD projector; everything else stays frozen.

    Example: leadbench train projector --dataset data/bnr
    """
    encoder = align_encoder or (lambda chosen: chosen.teacher_encoder)
    _train("projector", dataset, models, preset, plugin, strict_plugins, skip_bad_motions, encoder, variant)


@app.command()
def evaluator(
    dataset: DatasetOption,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """The evaluator: co-embedding networks in which the metrics are measured.

    Example: leadbench train evaluator --dataset data/bnr
    """
    _train("evaluator", dataset, models, preset, plugin, strict_plugins, skip_bad_motions)
