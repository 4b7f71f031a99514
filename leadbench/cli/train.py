"""``leadbench train``: one command per stage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import VOLUME
from leadbench.cli.options import DatasetOptions, PresetOption, SkipBadOption, complete_backbones, grouped
from leadbench.cli.parsing import parse_batch
from leadbench.cli.progress import figures_text, progress
from leadbench.core.contracts import Tracker
from leadbench.core.device import AUTO, free_cached_memory, is_out_of_memory
from leadbench.core.errors import ConfigError
from leadbench.core.overrides import override
from leadbench.core.presets import Preset, get_preset
from leadbench.core.processes import is_launched
from leadbench.training import plugin_stages, stages
from leadbench.training.launch import Released, device_of_launch, join_launch
from leadbench.training.stages import ProjectorJob
from leadbench.training.workshop import Workshop
from leadbench.zoo.assets import Opened, open_assets, require_models

EncoderOption = Annotated[
    str | None, typer.Option("--text-encoder", help="Text encoder [default: the preset's].", show_default=False)
]


@dataclass(frozen=True)
class OverrideOptions:
    """Changes to the preset."""

    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a value of the preset: loop.steps=500, projector.align_weight=1.", show_default=False
        ),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="TOML file of such values (see leadbench config preset); --set wins.", show_default=False
        ),
    ] = None

    def preset(self, name: str, stage: str) -> Preset:
        """The preset with the changes; keys without a stage speak of ``stage``."""
        return override(get_preset(name), stage, self.set or (), self.config)


@dataclass(frozen=True)
class TrainOptions:
    """What every stage takes."""

    preset: PresetOption = "small"
    skip_bad_motions: SkipBadOption = False
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over, whatever checkpoint the model folder holds.")
    ] = False
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Start over if the checkpoint belongs to another training, instead of refusing."
        ),
    ] = False
    checkpoint_seconds: Annotated[
        float, typer.Option("--checkpoint-seconds", min=0, help="Minimum time between two checkpoints.")
    ] = 60.0
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            help="Batch size [default: the preset's]; auto: the preset's, with gradient accumulation if memory "
            "runs out.",
            show_default=False,
        ),
    ] = None
    track: Annotated[
        list[str] | None,
        typer.Option("--track", help="Also log to this tracker, such as tensorboard.", show_default=False),
    ] = None
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile transformer stacks (torch.compile); for long trainings.")
    ] = False


@dataclass(frozen=True)
class _Call:
    """A call of a stage, before anything is opened."""

    stage: str
    assets: DatasetOptions
    options: TrainOptions
    overrides: OverrideOptions

    def run(self, train: Callable[[Workshop, Opened], Path]) -> None:
        """Open everything, train, print where the weights are."""
        chosen, choice = self._preset(), self.assets.choice()
        if is_launched():
            if self.options.batch == AUTO:
                raise ConfigError("--batch auto: not with several processes; give a number, of all of them together")
            choice = replace(choice, device=device_of_launch(choice.device_name))
        launch = join_launch(choice.compute().device)
        VOLUME.quiet = VOLUME.quiet or not launch.first
        opened = open_assets(choice, strict=self.assets.strict_plugins)
        require_models(opened)
        with progress() as reporter, suppress(Released):
            shop = Workshop(
                opened.dataset,
                chosen,
                opened.models,
                report=lambda p: reporter.show(p.stage, p.step, p.steps, figures_text(p.figures)),
                skip_bad=self.options.skip_bad_motions,
                restart=self.options.restart,
                replace=self.options.replace,
                checkpoint_seconds=self.options.checkpoint_seconds,
                say=(lambda line: typer.echo(line, err=True)) if launch.first else (lambda _: None),
                compile=self.options.compile,
                trackers=self._trackers(opened) if launch.first else (),
                launch=launch,
            )
            path = self._fitting(shop, partial(train, shop, opened))
            typer.echo(f"wrote {path}")

    def _trackers(self, opened: Opened) -> list[Tracker]:
        return [opened.plugins.tracker(name) for name in dict.fromkeys(self.options.track or ())]

    def _preset(self) -> Preset:
        batch = None if self.options.batch is None else parse_batch(self.options.batch)
        chosen = self.overrides.preset(self.options.preset, self.stage)
        return chosen if batch is None else override(chosen, self.stage, [f"loop.batch={batch}"])

    def _fitting(self, shop: Workshop, train: Callable[[], Path]) -> Path:
        """Train; with ``--batch auto`` in batches of half the size, and twice as many a step, where memory runs out."""
        while True:
            try:
                return train()
            except (MemoryError, RuntimeError) as exc:
                loop = getattr(shop.preset, self.stage).loop
                if not is_out_of_memory(exc):
                    raise
                if self.options.batch != AUTO or loop.batch < 2:
                    raise ConfigError(
                        f"{self.stage}: out of memory at a batch of {loop.batch}; give --batch auto, or less"
                    ) from exc
                batch, count = loop.batch // 2, 2 * loop.accumulate
            free_cached_memory()
            shop.say(f"{self.stage}: out of memory at a batch of {loop.batch}; trying {count} x {batch}")
            halved = [f"loop.batch={batch}", f"loop.accumulate={count}"]
            shop.preset, shop.replace = override(shop.preset, self.stage, halved), True


@grouped
def autoencoder(
    assets: DatasetOptions,
    options: TrainOptions,
    overrides: OverrideOptions,
    autoencoder: Annotated[
        str, typer.Option("--autoencoder", help="vae, motionclip, or a plugin's autoencoder with its own loss.")
    ] = "vae",
) -> None:
    """Stage 1: the motion autoencoder.

    Example: leadbench train autoencoder --dataset data/bnr
    """
    bundled: dict[str, Callable[[Workshop], Path]] = {
        "vae": stages.train_autoencoder,
        "motionclip": lambda shop: stages.train_motionclip(shop, shop.preset.teacher_encoder),
    }
    if (train := bundled.get(autoencoder)) is not None:
        stage = "motionclip" if autoencoder == "motionclip" else "autoencoder"
        _Call(stage, assets, options, overrides).run(lambda shop, _: train(shop))
        return
    call = _Call("autoencoder", assets, options, overrides)
    call.run(lambda shop, opened: plugin_stages.train_own_autoencoder(shop, opened.plugins, autoencoder))


@grouped
def diffusion(
    assets: DatasetOptions,
    options: TrainOptions,
    overrides: OverrideOptions,
    text_encoder: EncoderOption = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="Train this plugin's backbone with its own loss.",
            show_default=False,
            autocompletion=complete_backbones,
        ),
    ] = None,
) -> None:
    """Stage 2: the latent denoiser.

    With 10 % of the captions dropped. With --backbone a plugin's own backbone is trained instead.

    Example: leadbench train diffusion --dataset data/bnr --text-encoder wordllama

    Example: leadbench train diffusion --dataset data/bnr --set loop.steps=8000 --set optimizer.learning_rate=3e-4
    """
    call = _Call("diffusion", assets, options, overrides)
    if backbone is None:
        call.run(lambda shop, _: stages.train_diffusion(shop, text_encoder or shop.preset.teacher_encoder))
        return

    def train(shop: Workshop, opened: Opened) -> Path:
        if text_encoder is not None:
            opened.plugins.get("text_encoder", text_encoder, "--text-encoder")
            opened.models.encoders = {backbone: text_encoder}
        return plugin_stages.train_backbone(shop, opened.plugins, backbone)

    call.run(train)


@grouped
def consistency(
    assets: DatasetOptions, options: TrainOptions, overrides: OverrideOptions, text_encoder: EncoderOption = None
) -> None:
    """Distil a denoiser to few steps.

    Example: leadbench train consistency --dataset data/bnr
    """
    call = _Call("consistency", assets, options, overrides)
    call.run(lambda shop, _: stages.train_consistency(shop, text_encoder or shop.preset.student_encoder))


@grouped
def motionclip(assets: DatasetOptions, options: TrainOptions, overrides: OverrideOptions) -> None:
    """MotionCLIP: an autoencoder of its own.

    Aligned with the preset's text encoder. It needs no other stage.

    Example: leadbench train motionclip --dataset data/bnr
    """
    call = _Call("motionclip", assets, options, overrides)
    call.run(lambda shop, _: stages.train_motionclip(shop, shop.preset.teacher_encoder))


@grouped
def projector(
    assets: DatasetOptions,
    options: TrainOptions,
    overrides: OverrideOptions,
    projector: Annotated[
        str, typer.Option("--projector", help="Kind of projector: lead, or a plugin's name.")
    ] = "lead",
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
            autocompletion=complete_backbones,
        ),
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="full; mlp or skip; or a loss left out: no-align, no-rec, no-var.")
    ] = "full",
) -> None:
    """Stage 3: a projector; everything else stays frozen.

    The LEAD projector, or with --projector a plugin's with its own loss. `leadbench run` attaches to each backbone a
    projector of its latent space.

    Example: leadbench train projector --dataset data/bnr

    Example: leadbench train projector --dataset humanml3d --preset paper --backbone mld --checkpoint mld=mld.ckpt
    """

    def train(shop: Workshop, opened: Opened) -> Path:
        owner = None if backbone is None else (backbone, opened.plugins.backbone(backbone, opened.models))
        return stages.train_projector(shop, opened.plugins, ProjectorJob(align_encoder, variant, owner, projector))

    _Call("projector", assets, options, overrides).run(train)


@grouped
def length(
    assets: DatasetOptions, options: TrainOptions, overrides: OverrideOptions, text_encoder: EncoderOption = None
) -> None:
    """The length predictor that leadbench generate uses if no length is given.

    Example: leadbench train length --dataset data/bnr
    """

    def train(shop: Workshop, _: Opened) -> Path:
        return stages.train_length(shop, text_encoder or shop.preset.student_encoder)

    _Call("length", assets, options, overrides).run(train)


@grouped
def evaluator(
    assets: DatasetOptions,
    options: TrainOptions,
    overrides: OverrideOptions,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="guo (tagged tokens, GRU), guo-essential (the same on 67 or 64 features), tmr (raw captions).",
        ),
    ] = "guo",
) -> None:
    """An evaluator: the space of the metrics.

    Example: leadbench train evaluator --dataset data/bnr

    Example: leadbench train evaluator --dataset data/bnr --kind tmr
    """
    call = _Call("tmr" if kind == "tmr" else "evaluator", assets, options, overrides)
    call.run(lambda shop, _: stages.train_evaluator(shop, kind))
