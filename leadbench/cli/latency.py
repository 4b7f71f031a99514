"""``leadbench latency``: seconds per prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import typer

from leadbench.cli.options import (
    DeviceOption,
    OutputOptions,
    PartOption,
    PluginOption,
    PrecisionOption,
    ProjectorOption,
    StrictOption,
    complete_backbones,
    grouped,
)
from leadbench.cli.parsing import parse_names, parse_numbers, parse_steps
from leadbench.cli.running import run_and_print
from leadbench.plugins.manager import load_plugins
from leadbench.plugins.options import parse_options
from leadbench.tasks.latency.assemble import LatencyRequest, open_latency
from leadbench.tasks.latency.task import LatencyConfig
from leadbench.zoo.assets import chosen_compute, set_options


@dataclass(frozen=True)
class SubjectOptions:
    """What is timed."""

    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones)
    ] = "mld,motionlcm"
    projector: ProjectorOption = "auto"
    preset: Annotated[
        str, typer.Option("--preset", help="micro: the shipped models; paper, paper-wide: full size, random weights.")
    ] = "micro"
    steps: Annotated[
        str | None, typer.Option("--steps", help="As in run [default: 50; 1,2,4 of MotionLCM].", show_default=False)
    ] = None
    plugin: PluginOption = None
    option: PartOption = None
    strict_plugins: StrictOption = False


@dataclass(frozen=True)
class TimingOptions:
    """How it is timed."""

    batch: Annotated[str, typer.Option("--batch", help="Prompts at once.")] = "1,8,32"
    frames: Annotated[int, typer.Option("--frames", min=4, max=196, help="Frames of every motion.")] = 196
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Repetitions of each timing.")] = 10
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Torch's threads on a CPU.", show_default=False)
    ] = None
    device: DeviceOption = None
    precision: PrecisionOption = None
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile for small batches on a CPU; half a minute for each shape.")
    ] = False

    def config(self, preset: str) -> LatencyConfig:
        """The task's configuration."""
        return LatencyConfig(
            preset=preset,
            batches=tuple(parse_numbers(self.batch, int, "--batch")),
            frames=self.frames,
            rounds=self.rounds,
            compute=chosen_compute(self.device, self.precision),
            compile=self.compile,
        )


@grouped
def latency(subject: SubjectOptions, timing: TimingOptions, output: OutputOptions) -> None:
    """Seconds per prompt, stage by stage.

    Text, denoising, projector, decoding and joints, with and without the projector, beside the paper's times.

    Example: leadbench latency --preset paper --backbone mld --batch 1
    """
    if timing.threads is not None:
        torch.set_num_threads(timing.threads)
    request = LatencyRequest(
        parse_names(subject.backbone), parse_steps(subject.steps), subject.projector, timing.config(subject.preset)
    )
    plugins = load_plugins(subject.plugin or (), strict=subject.strict_plugins)
    set_options(plugins, parse_options(subject.option or ()))
    run_and_print(open_latency(plugins, request), output)
