"""``leadbench train``: one command per stage."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    DatasetOption,
    ModelsOption,
    PluginOption,
    PresetOption,
    RootOption,
    SkipBadOption,
    StrictOption,
    choose,
    parse_checkpoints,
)
from leadbench.cli.progress import figures_text, progress
from leadbench.core.errors import ConfigError

app = typer.Typer(
    help="Train a stage. Interrupt freely: the same command goes on where it stopped.", no_args_is_help=True
)

EncoderOption = Annotated[
    str | None, typer.Option("--text-encoder", help="Text encoder [default: the preset's].", show_default=False)
]


def _train(stage: str, choice: Any, preset: str, strict: bool, skip: bool, *args: Any) -> None:
    """Open everything, run ``train_STAGE`` of leadbench.training.stages, say where the weights are.

    Callables among ``args`` are asked with the preset and what was opened.
    """
    chosen = late("leadbench.core.presets:get_preset")(preset)
    opened = late("leadbench.zoo.assets:open_assets")(choice, strict=strict)
    with progress() as reporter:
        shop = late("leadbench.training.stages:Workshop")(
            opened.dataset,
            chosen,
            opened.models,
            report=lambda p: reporter.show(p.stage, p.step, p.steps, figures_text(p.figures)),
            skip_bad=skip,
        )
        resolved = [arg(chosen, opened) if callable(arg) else arg for arg in args]
        path = late(f"leadbench.training.stages:train_{stage}")(shop, *resolved)
    typer.echo(f"wrote {path}")


def _backbone_of(name: str) -> Any:
    return lambda _, opened: opened.plugins.create("backbone", name, opened.models, where="--backbone")


@app.command()
def autoencoder(
    dataset: DatasetOption,
    root: RootOption = None,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Stage 1: the motion autoencoder.

    Example: leadbench train autoencoder --dataset data/bnr
    """
    _train("autoencoder", choose(dataset, models, plugin, root), preset, strict_plugins, skip_bad_motions)


@app.command()
def diffusion(
    dataset: DatasetOption,
    root: RootOption = None,
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
    choice = choose(dataset, models, plugin, root)
    if backbone is None:
        encoder = text_encoder or (lambda chosen, _: chosen.teacher_encoder)
        _train("diffusion", choice, preset, strict_plugins, skip_bad_motions, encoder)
        return
    if text_encoder is not None:
        raise ConfigError("--text-encoder: a backbone of a plugin brings its own; leave one of the two options out")
    _train("backbone", choice, preset, strict_plugins, skip_bad_motions, backbone, _backbone_of(backbone))


@app.command()
def consistency(
    dataset: DatasetOption,
    root: RootOption = None,
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
    encoder = text_encoder or (lambda chosen, _: chosen.student_encoder)
    choice = choose(dataset, models, plugin, root)
    _train("consistency", choice, preset, strict_plugins, skip_bad_motions, encoder)


@app.command()
def motionclip(
    dataset: DatasetOption,
    root: RootOption = None,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """MotionCLIP: an autoencoder of its own, aligned with the preset's text encoder. It needs no other stage.

    Example: leadbench train motionclip --dataset data/bnr
    """
    choice = choose(dataset, models, plugin, root)
    _train("motionclip", choice, preset, strict_plugins, skip_bad_motions, lambda chosen, _: chosen.teacher_encoder)


@app.command()
def projector(
    dataset: DatasetOption,
    root: RootOption = None,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    align_encoder: Annotated[
        str | None,
        typer.Option("--align-encoder", help="Text space to align to [default: the backbone's].", show_default=False),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="Backbone whose latent space it is for [default: the folder's].",
            show_default=False,
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    variant: Annotated[
        str, typer.Option("--variant", help="full; mlp or skip; or a loss left out: no-align, no-rec, no-var.")
    ] = "full",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Stage 3: the LEAD projector; everything else stays frozen.

    With --backbone it is written as projector-BACKBONE; `leadbench run` attaches to each backbone a projector of its
    latent space.

    Example: leadbench train projector --dataset data/bnr

    Example: leadbench train projector --dataset humanml3d --preset paper --backbone mld --checkpoint mld=mld.ckpt
    """
    choice = choose(dataset, models, plugin, root, checkpoints=parse_checkpoints(checkpoint))
    made = None if backbone is None else (lambda _, opened: (backbone, _backbone_of(backbone)(_, opened)))
    _train("projector", choice, preset, strict_plugins, skip_bad_motions, align_encoder, variant, made)


@app.command()
def evaluator(
    dataset: DatasetOption,
    root: RootOption = None,
    models: ModelsOption = None,
    preset: PresetOption = "small",
    kind: Annotated[
        str, typer.Option("--kind", help="guo (tagged tokens, GRU) or tmr (raw captions, transformer).")
    ] = "guo",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """An evaluator: co-embedding networks in which the metrics are measured.

    Example: leadbench train evaluator --dataset data/bnr

    Example: leadbench train evaluator --dataset data/bnr --kind tmr
    """
    _train("evaluator", choose(dataset, models, plugin, root), preset, strict_plugins, skip_bad_motions, kind)
