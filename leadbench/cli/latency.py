"""``leadbench latency``: seconds per prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import complete_backbones, parse_numbers, parse_steps
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError


def latency(
    backbone: Annotated[
        str, typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones)
    ] = "mld,motionlcm",
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
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    format: Annotated[str, typer.Option("--format", "-f", help="github, plain, latex, csv or json.")] = "github",
) -> None:
    """Time text, denoising, projector, decoding and joints, with and without the projector, beside the paper's times.

    Example: leadbench latency --preset paper --backbone mld --batch 1
    """
    late("leadbench.tasks.latency.table:check_latency_format")(format)
    _check_device(device, preset)
    if threads is not None:
        late("torch:set_num_threads")(threads)
    config = late("leadbench.tasks.latency.task:LatencyConfig")(
        preset=preset,
        batches=tuple(parse_numbers(batch, int, "--batch")),
        frames=frames,
        rounds=rounds,
        device=device,
        compile=compile,
    )
    if min(config.batches) < 1:
        raise ConfigError(f"--batch {batch}: must be at least 1")
    subjects = _subjects(backbone, preset, steps, device)
    benchmark = late("leadbench.tasks.latency.task:open_latency")(subjects, config, out)
    with progress() as reporter, late("leadbench.engine.compiled:compiling")(compile):
        records = benchmark.run(lambda label, done, total: reporter.show("latency", done, total, label))
    typer.echo(late("leadbench.tasks.latency.table:render_latency")(records, format))
    note(f"records: {benchmark.store.folder}")


def _check_device(device: str, preset: str) -> None:
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"--device {device}: must be cpu or cuda")
    if device == "cuda" and preset == "micro":
        raise ConfigError("--device cuda: the shipped models are timed on a CPU; choose --preset paper")
    if device == "cuda" and not late("torch.cuda:is_available")():
        raise ConfigError("--device cuda: torch finds no such device")


def _subjects(backbone: str, preset: str, steps: str | None, device: str) -> list[Any]:
    """Backbones of the shipped models, or of random ones, each with its projector."""
    plugins = late("leadbench.plugins.manager:load_plugins")()
    random = preset != "micro"
    if random:
        chosen = late("leadbench.core.presets:get_preset")(preset)
        models = late("leadbench.tasks.latency.subjects:RandomModels")(chosen, late("torch:device")(device))
        projector = models.projector()
    else:
        folder = late("leadbench.zoo.embedded:shipped")().folder
        models = late("leadbench.zoo.assets:model_store")(folder, plugins)
        projector = models.projector("projector")
    asked = parse_steps(steps)
    subjects = []
    for name in (part.strip() for part in backbone.split(",")):
        made = plugins.create("backbone", name, models, where="--backbone")
        registered = next(r for _, r in plugins.all("backbone") if r.name == name)
        few = made.default_steps < 10
        counts = asked.get(name) or (asked.get(None) if few else None) or ([1, 2, 4] if few else [made.default_steps])
        display = getattr(registered, "display", None) or name
        timed = not random or made.text_encoder.name in ("clip", "t5")
        subjects.append(
            late("leadbench.tasks.latency.task:Subject")(made, display, tuple(counts), projector, timed_text=timed)
        )
    return subjects
