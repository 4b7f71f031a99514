"""``leadbench ablate``: the paper's ablations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.options import (
    DatasetOptions,
    OutputOptions,
    PresetOption,
    ProjectorOption,
    ProtocolOption,
    SkipSelfTestOption,
    WorkOptions,
    check_protocol,
    complete_backbones,
    grouped,
)
from leadbench.cli.parsing import parse_steps
from leadbench.cli.progress import figures_text, progress
from leadbench.cli.running import run_and_print
from leadbench.cli.train import OverrideOptions
from leadbench.core.config import T2MConfig
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.tasks.t2m.ablate import ablation_request, train_variants
from leadbench.zoo.assets import open_assets


@dataclass(frozen=True)
class AblationOptions:
    """How the variants are scored."""

    protocol: ProtocolOption = "guo-2022"
    replications: Annotated[int, typer.Option("--replications", min=1, help="Draws of captions and noise.")] = 20
    multimodality_replications: Annotated[
        int | None,
        typer.Option("--multimodality-replications", min=0, help="Replications that measure MultiModality."),
    ] = None
    skip_self_test: SkipSelfTestOption = False


@grouped
def projector(
    assets: DatasetOptions,
    scoring: AblationOptions,
    output: OutputOptions,
    overrides: OverrideOptions,
    work: WorkOptions,
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbone to realign.", autocompletion=complete_backbones)
    ] = "mld",
    steps: Annotated[
        str | None, typer.Option("--steps", help="One number of steps [default: the backbone's].", show_default=False)
    ] = None,
    guidance: Annotated[
        float | None, typer.Option("--guidance", help="Guidance scale [default: the backbone's].", show_default=False)
    ] = None,
    projector: ProjectorOption = "auto",
    preset: PresetOption = "small",
    align_encoder: Annotated[
        str | None, typer.Option("--align-encoder", help="Text space to align to.", show_default=False)
    ] = None,
) -> None:
    """Table 6: architectures and losses of the projector.

    With the controls, on the same latents. Variants that are missing are trained, others are used as they are.
    --projector auto,mine=FILE adds projectors of plugins. Safe to interrupt.

    Example: leadbench ablate projector --dataset data/bnr --jobs 2
    """
    chosen = overrides.preset(preset, "projector")
    choice = assets.choice()
    opened = open_assets(choice, strict=assets.strict_plugins)
    with progress() as reporter:
        train_variants(
            opened,
            chosen,
            backbone,
            align_encoder,
            lambda p: reporter.show(p.stage, p.step, p.steps, figures_text(p.figures)),
            note,
        )
    config = T2MConfig(
        protocol=check_protocol(scoring.protocol),
        replications=scoring.replications,
        multimodality_replications=scoring.multimodality_replications,
    )
    wanted = parse_steps(steps).get(None)
    request = RunRequest(
        backbones=(backbone,),
        steps={backbone: wanted[:1]} if wanted else {},
        projector=projector,
        guidance=() if guidance is None else (guidance,),
        config=config,
        self_test=not scoring.skip_self_test,
    )
    recipe = Recipe("t2m", ablation_request(request), choice)
    run_and_print(recipe.open(strict=assets.strict_plugins), output, recipe=recipe, work=work)
