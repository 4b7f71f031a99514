"""``leadbench data prepare``: public motion capture to datasets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.options import grouped
from leadbench.cli.outputs import writable
from leadbench.cli.progress import progress
from leadbench.core.errors import DataError
from leadbench.core.skeleton import load_target_offsets
from leadbench.data.prepare.bnr import prepare_bnr
from leadbench.data.prepare.convert import PrepareOptions
from leadbench.data.prepare.hundred_style import prepare_hundred_style


@dataclass(frozen=True)
class ConversionOptions:
    """Where from, where to, and how."""

    source: Annotated[Path, typer.Option("--source", help="Folder with the unpacked BVH files.")]
    out: Annotated[Path, typer.Option("--out", help="New dataset folder.", callback=writable("--out"))]
    target_skeleton: Annotated[
        Path | None, typer.Option("--target-skeleton", help="Bone lengths from this .npy file.", show_default=False)
    ] = None
    official_features: Annotated[
        bool, typer.Option("--official-features", help="Reproduce the defects of HumanML3D's feature extraction.")
    ] = False
    hold_out_style: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-out-style",
            help="Keep a style out of train, val and test: its clips form held_out.txt. Repeatable, or a,b.",
            show_default=False,
        ),
    ] = None
    workers: Annotated[int, typer.Option("--workers", min=1)] = 2

    def convert(self, prepare: Callable[..., Any]) -> None:
        """Run a preparer and print what became of the files.

        Raises:
            DataError: more than 1 % of them are broken; the dataset is written all the same.
        """
        with progress() as reporter:
            report = prepare(
                self.source, self.out, self._options(), lambda done, total: reporter.show("prepare", done, total)
            )
        typer.echo(
            f"{report.files} files: {sum(report.splits.values())} motions (mirrored ones included) in "
            + ", ".join(f"{split} {count}" for split, count in report.splits.items())
        )
        typer.echo(
            f"left out: {len(report.short)} clips under 40 frames, {len(report.duplicates)} duplicates, "
            f"{len(report.broken)} broken; {len(report.cut)} long clips cut; "
            f"all are named in {self.out / 'report.json'}"
        )
        for name, lines in list(report.notes.items())[:10]:
            typer.echo(f"note: {name}: {'; '.join(lines)}", err=True)
        for name, why in list(report.broken.items())[:10]:
            typer.echo(f"broken: {name}: {why}", err=True)
        if report.broken_fraction > 0.01:
            raise DataError(f"{len(report.broken)} of {report.files} files are broken (more than 1 %); see report.json")

    def _options(self) -> PrepareOptions:
        offsets = None
        if self.target_skeleton is not None:
            offsets = tuple(tuple(row) for row in load_target_offsets(self.target_skeleton).tolist())
        styles = (style.strip() for value in self.hold_out_style or [] for style in value.split(","))
        return PrepareOptions(
            mode="official" if self.official_features else "corrected",
            target_offsets=offsets,
            workers=self.workers,
            hold_out=tuple(dict.fromkeys(style for style in styles if style)),
        )


@grouped
def bnr(options: ConversionOptions) -> None:
    """The Bandai-Namco Research motion dataset.

    Its licence is CC BY-NC 4.0.

    Example: leadbench data prepare bnr --source Bandai-Namco-Research-Motiondataset --out data/bnr
    """
    options.convert(prepare_bnr)


@grouped
def hundred_style(options: ConversionOptions) -> None:
    """The 100STYLE dataset.

    A hundred styles of locomotion; its licence is CC BY 4.0.

    Example: leadbench data prepare 100style --source 100STYLE --out data/100style --hold-out-style Superman,Aeroplane
    """
    options.convert(prepare_hundred_style)
