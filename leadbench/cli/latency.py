"""``leadbench latency``: seconds per prompt."""

from __future__ import annotations

from typing import Annotated

import torch
import typer

from leadbench.cli.options import (
    OutputOptions,
    PluginOption,
    ProjectorOption,
    StrictOption,
    complete_backbones,
    grouped,
    parse_names,
    parse_numbers,
    parse_steps,
)
from leadbench.cli.running import run_and_print
from leadbench.plugins.manager import load_plugins
from leadbench.tasks.latency.assemble import LatencyRequest, open_latency
from leadbench.tasks.latency.task import LatencyConfig


@grouped
def latency(
    output: OutputOptions,
    *,
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones)
    ] = "mld,motionlcm",
    projector: ProjectorOption = "auto",
    preset: Annotated[
        str, typer.Option("--preset", help="micro: the shipped models; paper, paper-wide: full size, random weights.")
    ] = "micro",
    batch: Annotated[str, typer.Option("--batch", help="Prompts at once.")] = "1,8,32",
    steps: Annotated[
        str | None, typer.Option("--steps", help="As in run [default: 50; 1,2,4 of MotionLCM].", show_default=False)
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=4, max=196, help="Frames of every motion.")] = 196,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often each is timed.")] = 10,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of torch on a CPU.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda (cuda: full-size presets).")] = "cpu",
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile for small batches on a CPU; half a minute for each shape.")
    ] = False,
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
) -> None:
    """Seconds per prompt, stage by stage.

    Text, denoising, projector, decoding and joints, with and without the projector, beside the paper's times.

    Example: leadbench latency --preset paper --backbone mld --batch 1
    """
    if threads is not None:
        torch.set_num_threads(threads)
    config = LatencyConfig(
        preset=preset,
        batches=tuple(parse_numbers(batch, int, "--batch")),
        frames=frames,
        rounds=rounds,
        device=device,
        compile=compile,
    )
    request = LatencyRequest(parse_names(backbone), parse_steps(steps), projector, config)
    run_and_print(open_latency(load_plugins(plugin or (), strict=strict_plugins), request), output)
