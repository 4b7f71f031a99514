"""``leadbench data``: prepare datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.cli.progress import progress
from leadbench.errors import DataError

app = typer.Typer(help="Datasets in HumanML3D's on-disk format.", no_args_is_help=True)
prepare_app = typer.Typer(help="Convert public motion capture.", no_args_is_help=True)
app.add_typer(prepare_app, name="prepare")


@prepare_app.command("bnr")
def bnr(
    source: Annotated[Path, typer.Option("--source", help="Folder with the unpacked BVH files.")],
    out: Annotated[Path, typer.Option("--out", help="New dataset folder.")],
    target_skeleton: Annotated[
        Path | None, typer.Option("--target-skeleton", help="Bone lengths from this .npy file.", show_default=False)
    ] = None,
    official_features: Annotated[
        bool, typer.Option("--official-features", help="Reproduce the defects of HumanML3D's feature extraction.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2,
) -> None:
    """The Bandai-Namco Research motion dataset (CC BY-NC 4.0)."""
    offsets = None
    if target_skeleton is not None:
        offsets = tuple(tuple(row) for row in late("leadbench.skeleton:load_target_offsets")(target_skeleton).tolist())
    options = late("leadbench.data.prepare.bnr:PrepareOptions")(
        mode="official" if official_features else "corrected", target_offsets=offsets, workers=workers
    )
    with progress() as reporter:
        report = late("leadbench.data.prepare.bnr:prepare_bnr")(
            source, out, options, lambda done, total: reporter.show("prepare", done, total)
        )
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
    options = late("leadbench.data.synthetic.generate:SynthesisOptions")(clips, seed, workers)
    with progress() as reporter:
        ids = late("leadbench.data.synthetic.generate:synthesize")(
            out, options, lambda done, total: reporter.show("synthesize", done, total)
        )
    typer.echo(f"wrote {out}: " + ", ".join(f"{split} {count}" for split, count in ids.items()))
