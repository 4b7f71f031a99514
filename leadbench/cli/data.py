"""``leadbench data``: prepare datasets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import PluginOption
from leadbench.cli.progress import progress
from leadbench.core.errors import DataError, unknown_name

app = typer.Typer(help="Datasets in HumanML3D's on-disk format.", no_args_is_help=True)
prepare_app = typer.Typer(help="Convert public motion capture.", no_args_is_help=True)
app.add_typer(prepare_app, name="prepare")


SourceOption = Annotated[Path, typer.Option("--source", help="Folder with the unpacked BVH files.")]
OutOption = Annotated[Path, typer.Option("--out", help="New dataset folder.")]
TargetSkeletonOption = Annotated[
    Path | None, typer.Option("--target-skeleton", help="Bone lengths from this .npy file.", show_default=False)
]
OfficialFeaturesOption = Annotated[
    bool, typer.Option("--official-features", help="Reproduce the defects of HumanML3D's feature extraction.")
]
HoldOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hold-out-style",
        help="Keep a style out of train, val and test: its clips form held_out.txt. Repeatable, or a,b.",
        show_default=False,
    ),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1)]


@prepare_app.command("bnr")
def bnr(
    source: SourceOption,
    out: OutOption,
    target_skeleton: TargetSkeletonOption = None,
    official_features: OfficialFeaturesOption = False,
    hold_out_style: HoldOutOption = None,
    workers: WorkersOption = 2,
) -> None:
    """The Bandai-Namco Research motion dataset (CC BY-NC 4.0).

    Example: leadbench data prepare bnr --source Bandai-Namco-Research-Motiondataset --out data/bnr
    """
    options = _options(target_skeleton, official_features, hold_out_style, workers)
    _prepare("leadbench.data.prepare.bnr:prepare_bnr", source, out, options)


@prepare_app.command("100style")
def hundred_style(
    source: SourceOption,
    out: OutOption,
    target_skeleton: TargetSkeletonOption = None,
    official_features: OfficialFeaturesOption = False,
    hold_out_style: HoldOutOption = None,
    workers: WorkersOption = 2,
) -> None:
    """The 100STYLE dataset (CC BY 4.0): a hundred styles of locomotion.

    Example: leadbench data prepare 100style --source 100STYLE --out data/100style --hold-out-style Superman,Aeroplane
    """
    options = _options(target_skeleton, official_features, hold_out_style, workers)
    _prepare("leadbench.data.prepare.hundred_style:prepare_hundred_style", source, out, options)


def _options(target_skeleton: Path | None, official: bool, hold_out: list[str] | None, workers: int) -> Any:
    offsets = None
    if target_skeleton is not None:
        offsets = tuple(
            tuple(row) for row in late("leadbench.core.skeleton:load_target_offsets")(target_skeleton).tolist()
        )
    styles = (style.strip() for value in hold_out or [] for style in value.split(","))
    return late("leadbench.data.prepare.convert:PrepareOptions")(
        mode="official" if official else "corrected",
        target_offsets=offsets,
        workers=workers,
        hold_out=tuple(dict.fromkeys(style for style in styles if style)),
    )


def _prepare(prepare: str, source: Path, out: Path, options: Any) -> None:
    """Run a preparer and print what became of the files.

    Raises:
        DataError: more than 1 % of them are broken; the dataset is written all the same.
    """
    with progress() as reporter:
        report = late(prepare)(source, out, options, lambda done, total: reporter.show("prepare", done, total))
    typer.echo(
        f"{report.files} files: {sum(report.splits.values())} motions (mirrored ones included) in "
        + ", ".join(f"{split} {count}" for split, count in report.splits.items())
    )
    typer.echo(
        f"left out: {len(report.short)} clips under 40 frames, {len(report.duplicates)} duplicates, "
        f"{len(report.broken)} broken; {len(report.cut)} long clips cut; all are named in {out / 'report.json'}"
    )
    for name, why in list(report.broken.items())[:10]:
        typer.echo(f"broken: {name}: {why}", err=True)
    if report.broken_fraction > 0.01:
        raise DataError(f"{len(report.broken)} of {report.files} files are broken (more than 1 %); see report.json")


@app.command("synthesize")
def synthesize(
    out: Annotated[Path, typer.Option("--out", help="New dataset folder.")],
    clips: Annotated[int, typer.Option("--clips", help="Number of motions.")] = 4000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2,
) -> None:
    """The embedded corpus: text-motion pairs made by kinematics, free of any licence.

    Example: leadbench data synthesize --out data/synthetic
    """
    options = late("leadbench.data.synthetic.options:SynthesisOptions")(clips, seed, workers)
    with progress() as reporter:
        ids = late("leadbench.data.synthetic.generate:synthesize")(
            out, options, lambda done, total: reporter.show("synthesize", done, total)
        )
    typer.echo(f"wrote {out}: " + ", ".join(f"{split} {count}" for split, count in ids.items()))


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="Dataset folder.")],
    format: Annotated[str, typer.Option("--format", help="plain or json.")] = "plain",
    most: Annotated[int, typer.Option("--most", min=1, help="Problems of a kind to print.")] = 5,
) -> None:
    """Check a dataset folder: counts, splits, statistics, motions, captions; what is wrong and how to mend it.

    Example: leadbench data check data/humanml3d
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if format not in ("plain", "json"):
        raise unknown_name("format", format, ("plain", "json"), where="--format")
    found = late("leadbench.data.check:check_folder")(folder)
    if format == "json":
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        ids = ", ".join(f"{split} {count}" for split, count in found.ids.items())
        typer.echo(f"{ids}; {found.motions} motions, {found.frames} frames; {found.captions} captions, "
                   f"{found.distinct_captions:.0%} of them distinct")  # fmt: skip
        for kind in dict.fromkeys(problem.kind for problem in found.problems):
            members = [problem for problem in found.problems if problem.kind == kind]
            for problem in members[:most]:
                typer.echo(f"{kind}: {problem.where}: {problem.what}; {problem.mend}")
            if len(members) > most:
                typer.echo(f"{kind}: and {len(members) - most} more")
    if found.problems:
        raise DataError(f"{folder}: {len(found.problems)} problems")


@app.command("list")
def list_datasets(
    root: Annotated[Path, typer.Argument(help="Folder to look in.")] = Path("data"), plugin: PluginOption = None
) -> None:
    """Dataset formats that plugins open, and the dataset folders that lie under a folder.

    Example: leadbench data list
    """
    plugins = late("leadbench.plugins.manager:load_plugins")(plugin or ())
    for owner, registration in plugins.all("dataset"):
        typer.echo(f"{registration.name}: {registration.summary} ({owner})")
    typer.echo("embedded: generated motions, used where no --dataset is given")
    for mean in sorted(root.glob("**/Mean.npy")):
        dataset = late("leadbench.data.humanml3d:HumanML3DFolder")(mean.parent)
        ids = ", ".join(f"{split} {len(dataset.ids(split))}" for split in ("train", "val", "test"))
        motion = dataset.motion
        typer.echo(f"{mean.parent}: {dataset.name}, skeleton {motion.skeleton}, {motion.fps:g} fps, {ids}")
