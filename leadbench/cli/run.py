"""``leadbench run`` and ``leadbench tables``: the text-to-motion benchmark and its tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    ProtocolOption,
    RootOption,
    SkipBadOption,
    StrictOption,
    check_protocol,
    choose,
    complete_backbones,
    complete_formats,
    complete_metrics,
    evaluator_and_folder,
    parse_checkpoints,
    parse_numbers,
    parse_steps,
)
from leadbench.cli.progress import progress

FormatOption = Annotated[
    str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.", autocompletion=complete_formats)
]


def run(
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    *,
    backbone: Annotated[
        str,
        typer.Option("--backbone", "-b", help="Backbones, separated by commas.", autocompletion=complete_backbones),
    ],
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps", help="Steps of few-step backbones (1,2,4), or by name (mld=10,50).", show_default=False
        ),
    ] = None,
    guidance: Annotated[
        str | None, typer.Option("--guidance", help="Guidance scales to sweep, such as 2.5,5,7.5.", show_default=False)
    ] = None,
    projector: Annotated[str, typer.Option("--projector", help="auto, none, or a file.")] = "auto",
    evaluator: Annotated[
        str, typer.Option("--evaluator", help="Evaluator's name (guo, tmr), or folder of the official one.")
    ] = "guo",
    checkpoint: CheckpointOption = None,
    models: ModelsOption = None,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    quick: Annotated[
        bool | None,
        typer.Option(
            "--quick/--full",
            help="3 replications and reduced MultiModality, or 20 [default: full; quick on the embedded dataset].",
            show_default=False,
        ),
    ] = None,
    protocol: ProtocolOption = "guo-2022",
    controls: Annotated[bool, typer.Option("--controls", help="Score the controls too.")] = False,
    replications: Annotated[
        int | None, typer.Option("--replications", min=1, help="Instead of 20, or 3.", show_default=False)
    ] = None,
    multimodality_replications: Annotated[
        int | None,
        typer.Option(
            "--multimodality-replications", min=0, help="Replications that measure MultiModality [default: all]."
        ),
    ] = None,
    chunk: Annotated[int, typer.Option("--chunk", min=1, help="Motions worked on together.")] = 128,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="A further metric, such as skating-ratio.",
            show_default=False,
            autocompletion=complete_metrics,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that share the work.")] = 1,
    dtype: Annotated[str, typer.Option("--dtype", help="What denoisers compute in: float32 or bf16.")] = "float32",
    profile: Annotated[bool, typer.Option("--profile", help="Also tell where the time went.")] = False,
    allow_latent_mismatch: Annotated[
        bool, typer.Option("--allow-latent-mismatch", help="Attach a projector of another latent space.")
    ] = False,
    skip_self_test: Annotated[
        bool, typer.Option("--skip-self-test", help="Go on where real motions do not score as they should.")
    ] = False,
    format: FormatOption = "github",
    plugin: PluginOption = None,
    strict_plugins: StrictOption = False,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Text-to-motion benchmark: generate, score, and print Tables 1 and 5 of the paper.

    Without --dataset it runs on generated motions with the models that ship with leadbench. Interrupt freely: the
    same command goes on where it stopped.

    Example: leadbench run --backbone motionlcm --steps 1,2,4

    Example: leadbench run --dataset data/bnr --backbone mld,motionlcm --steps 1,2,4 --quick

    Example: leadbench run --dataset humanml3d --root HumanML3D --backbone mld --checkpoint mld=mld.ckpt --evaluator t2m
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    if dtype not in (known := late("leadbench.tasks.t2m.request:DTYPES")):
        raise late("leadbench.core.errors:unknown_name")("dtype", dtype, known, where="--dtype")
    changes = {
        "protocol": check_protocol(protocol),
        "seed": seed,
        "chunk": chunk,
        "skip_bad_motions": skip_bad_motions,
        "allow_latent_mismatch": allow_latent_mismatch,
        **({} if replications is None else {"replications": replications}),
        **({} if multimodality_replications is None else {"multimodality_replications": multimodality_replications}),
    }
    config_class = late("leadbench.core.config:T2MConfig")
    evaluator, folder = evaluator_and_folder(evaluator)
    request = late("leadbench.tasks.t2m.request:T2MRequest")(
        backbones=tuple(name.strip() for name in backbone.split(",") if name.strip()),
        steps=parse_steps(steps),
        guidance=tuple(parse_numbers(guidance, float, "--guidance")) if guidance else (),
        projector=projector,
        evaluator=evaluator,
        controls=controls,
        metrics=tuple(metric or ()),
        config=config_class.quick(**changes) if _is_quick(quick, dataset) else config_class(**changes),
        notes=() if dataset is not None else (late("leadbench.zoo.embedded:NOTE"),),
        self_test=not skip_self_test,
        dtype=dtype,
    )
    choice = choose(dataset, models, plugin, root, evaluator=folder, checkpoints=parse_checkpoints(checkpoint))
    recipe = late("leadbench.tasks.shared.workers:Recipe")(request, choice, out)
    _run(recipe, strict_plugins, jobs, format, profile=profile)
    if dataset is None:
        note("next: add --controls or --guidance 2.5,5,7.5, or see README.md for data of your own")


def _is_quick(quick: bool | None, dataset: str | None) -> bool:
    return dataset is None if quick is None else quick


def _run(recipe: Any, strict: bool, jobs: int, form: str, *, profile: bool = False) -> None:
    """Check everything, start or resume the run, print its tables and where the records are."""
    began = time.perf_counter()
    assembled, models = recipe.assemble(strict=strict)
    loaded = time.perf_counter()
    with progress() as reporter:
        records = late("leadbench.tasks.shared.workers:execute")(
            assembled,
            recipe,
            models,
            jobs,
            lambda label, done, total: reporter.show("benchmark", done, total, label),
        )
    done = time.perf_counter()
    beside = late("leadbench.report.published:published_beside")(records[0].dataset)
    typer.echo(late("leadbench.report.tables.t2m:render_t2m")(records, form, beside))
    if profile:
        typer.echo("\n" + late("leadbench.report.tables.diagnostics:render_profile")(records, form))
        note(f"loading took {loaded - began:.1f} s, the benchmark {done - loaded:.1f} s")
    note(f"captions encoded, each once: {', '.join(map(_encoded, models.text_encoders.values()))}")
    note(f"records: {assembled.benchmark.store.folder}")


def _encoded(encoder: Any) -> str:
    kept = f" ({encoder.known} kept from earlier runs)" if encoder.known else ""
    return f"{encoder.encoded} by {encoder.name}{kept}"


def tables(
    results: Annotated[Path, typer.Argument(help="Folder of a run, as `leadbench run` printed it.")],
    format: FormatOption = "github",
    diagnostics: Annotated[
        bool, typer.Option("--diagnostics", help="Latent norms and foot skating instead of the metrics.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Where the time of a run went, by stage.")] = False,
    published: Annotated[
        bool,
        typer.Option("--published", help="Also print the paper's tables of the same layout, of other data."),
    ] = False,
    rank_published: Annotated[
        bool, typer.Option("--rank-published", help="The paper's rows compete for best and second.")
    ] = False,
) -> None:
    """Render the tables of any stored run again; on HumanML3D and KIT-ML the paper's rows stand below ours.

    Example: leadbench tables results/bnr/t2m-0123456789 --format latex
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    records = late("leadbench.results.store:RunStore")(results).records()
    if diagnostics:
        typer.echo(late("leadbench.report.tables.diagnostics:render_diagnostics")(records, format))
        return
    if profile:
        typer.echo(late("leadbench.report.tables.diagnostics:render_profile")(records, format))
        return
    typer.echo(late("leadbench.tasks.stored:render_run")(records, format, rank_published=rank_published))
    if published:
        for number in late("leadbench.tasks.stored:published_tables")(records):
            typer.echo("\n" + late("leadbench.report.published:render_published")(number, format))


def show_published(
    table: Annotated[int, typer.Argument(help="Number of the table, 1 to 6.")], format: FormatOption = "github"
) -> None:
    """Print one of the paper's tables.

    Example: leadbench published 5
    """
    typer.echo(late("leadbench.report.published:render_published")(table, format))
