"""``leadbench ablate``: the paper's ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    DatasetOption,
    ModelsOption,
    PluginOption,
    PresetOption,
    ProtocolOption,
    RootOption,
    check_protocol,
    choose,
    parse_checkpoints,
    parse_steps,
)
from leadbench.cli.progress import figures_text, progress

app = typer.Typer(help="The paper's ablations.", no_args_is_help=True)


@app.command("projector")
def projector(
    dataset: DatasetOption,
    root: RootOption = None,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone to realign.")] = "mld",
    steps: Annotated[
        str | None, typer.Option("--steps", help="One number of steps [default: the backbone's].", show_default=False)
    ] = None,
    models: ModelsOption = None,
    checkpoint: CheckpointOption = None,
    preset: PresetOption = "small",
    align_encoder: Annotated[
        str | None, typer.Option("--align-encoder", help="Text space to align to.", show_default=False)
    ] = None,
    protocol: ProtocolOption = "guo-2022",
    replications: Annotated[int, typer.Option("--replications", min=1, help="Draws of captions and noise.")] = 20,
    multimodality_replications: Annotated[
        int | None,
        typer.Option("--multimodality-replications", min=0, help="Replications that measure MultiModality."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that share the work.")] = 1,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    skip_self_test: Annotated[bool, typer.Option("--skip-self-test", help="As for run.")] = False,
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, json or plain.")] = "github",
    plugin: PluginOption = None,
) -> None:
    """Table 6: architectures and losses of the projector, with the controls, on the same latents.

    Trains the variants that are missing; what is there is used. Interrupt freely.

    Example: leadbench ablate projector --dataset data/bnr --jobs 2
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    chosen = late("leadbench.core.presets:get_preset")(preset)
    choice = choose(dataset, models, plugin, root, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.zoo.assets:open_assets")(choice)
    with progress() as reporter:
        late("leadbench.tasks.t2m.ablate:train_variants")(
            opened, chosen, backbone, align_encoder,
            lambda p: reporter.show(p.stage, p.step, p.steps, figures_text(p.figures)), note,
        )  # fmt: skip
    config = late("leadbench.core.config:T2MConfig")(
        protocol=check_protocol(protocol),
        replications=replications,
        multimodality_replications=multimodality_replications,
    )
    wanted = parse_steps(steps).get(None)
    request = late("leadbench.tasks.t2m.request:T2MRequest")(
        backbones=(backbone,),
        steps={backbone: wanted[:1]} if wanted else {},
        config=config,
        self_test=not skip_self_test,
    )
    recipe = late("leadbench.tasks.shared.workers:Recipe")(
        late("leadbench.tasks.t2m.ablate:ablation_request")(request), choice, out
    )
    assembled, store = recipe.assemble()
    with progress() as reporter:
        records = late("leadbench.tasks.shared.workers:execute")(
            assembled, recipe, store, jobs, lambda label, done, total: reporter.show("ablation", done, total, label)
        )
    typer.echo(late("leadbench.tasks.t2m.ablation_table:render_ablation")(records, format))
    note(f"records: {assembled.benchmark.store.folder}")
