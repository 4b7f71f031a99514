"""100STYLE (Mason, Starke & Komura 2022; CC BY 4.0) from its BVH files and ``Frame_Cuts.csv``.

File names carry the labels: ``Superman/Superman_FW.bvh``; the codes of movements are in
:mod:`leadbench.data.prepare.wording_100style`. The files are exports of Xsens MVN at 60 fps in centimetres, y up,
facing +z, with rotation channels in the order Y, X, Z; the reader takes any order, and the unit does not matter, since
bone lengths are made uniform. They begin and end with frames that are no part of the movement, which ``Frame_Cuts.csv``
cuts off: columns ``STYLE_NAME`` and ``FW_START``, ``FW_STOP`` (frames from 0, the stop excluded) for each code, ``N/A``
where a style has no such recording.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from leadbench.core.errors import DataError, MotionFileError
from leadbench.core.reading import read_text
from leadbench.data.prepare.convert import Corpus, PrepareOptions, PrepareReport, Recording, bvh_files, convert
from leadbench.data.prepare.splits import split_by_style
from leadbench.data.prepare.wording_100style import CONTENTS, HUNDRED_STYLE_WORDING, names_a_side
from leadbench.motion.bvh import read_bvh
from leadbench.motion.posture import Upright
from leadbench.motion.retarget import HUNDRED_STYLE, upright_joints

CUTS = "Frame_Cuts.csv"
_NAME = re.compile(rf"(?P<style>[A-Za-z0-9]+)_(?P<code>{'|'.join(CONTENTS)})$")
_NO_FRAMES = (0, 0)

Frames = tuple[int, int]


def prepare_hundred_style(
    source: Path, out: Path, options: PrepareOptions, progress: Callable[[int, int], None] | None = None
) -> PrepareReport:
    """Convert the dataset to HumanML3D's on-disk format, in windows of at most 9.8 s.

    Whole recordings are split, so the windows of one never meet in two splits. Styles that name a side have no mirrored
    copies.

    Raises:
        DataError: ``source`` holds no BVH file with a name of the dataset, or no readable ``Frame_Cuts.csv``; no
            recording is long enough, or ``out`` exists.
        UnknownNameError: a style to be held out is that of no file.
    """
    files = bvh_files(source)
    named = [(path, match) for path in files if (match := _NAME.match(path.stem))]
    if not named:
        raise DataError(
            f"--source {source}: no file named like Superman_FW.bvh (needed: the unpacked archive of 100STYLE, with "
            f"{CUTS})"
        )
    cuts = _cuts(source)
    recordings = [
        Recording(
            name=path.stem,
            path=path,
            content=CONTENTS[match["code"]],
            style=match["style"],
            frames=cuts.get(path.stem, _NO_FRAMES),
            mirrored=not names_a_side(match["style"]),
        )
        for path, match in named
    ]
    return convert(CORPUS, recordings, out, options, progress)


def _cuts(source: Path) -> Mapping[str, Frames]:
    """(first frame, frame after the last) by name of the file, of those that have both."""
    found = sorted(source.rglob(CUTS))
    if not found:
        raise DataError(f"--source {source}: no {CUTS} (it tells which frames of a file are part of the movement)")
    lines = read_text(found[0]).splitlines()
    try:
        rows = [{str(key).strip(): value for key, value in row.items()} for row in csv.DictReader(lines)]
    except csv.Error as exc:
        raise DataError(f"{found[0]}: no table of comma-separated values ({exc})") from exc
    if not rows or "STYLE_NAME" not in rows[0]:
        raise DataError(f"{found[0]}: no column STYLE_NAME (needed: STYLE_NAME, FW_START, FW_STOP, ...)")
    cuts = {}
    for row in rows:
        for code in CONTENTS:
            first, stop = (_frame(row.get(f"{code}_{end}")) for end in ("START", "STOP"))
            if first is not None and stop is not None:
                cuts[f"{str(row['STYLE_NAME']).strip()}_{code}"] = (first, stop)
    return cuts


def _frame(text: str | None) -> int | None:
    """A number of a frame, which a spreadsheet may have written as 12.0; None for N/A and the like."""
    try:
        return int(float(text or ""))
    except (ValueError, OverflowError):
        return None


def _joints(recording: Recording) -> Upright:
    bvh = read_bvh(recording.path)
    first, stop = recording.frames or (0, len(bvh.values))
    if (first, stop) == _NO_FRAMES:
        raise MotionFileError(f"{recording.path}: {CUTS} has no frames for it")
    values = bvh.values[max(0, first) : stop]
    if not len(values):
        raise MotionFileError(
            f"{recording.path}: {CUTS} cuts it to frames {first} to {stop}, it has {len(bvh.values)} frames"
        )
    return upright_joints(replace(bvh, values=values), HUNDRED_STYLE)


CORPUS = Corpus(
    name="100style",
    wording=HUNDRED_STYLE_WORDING,
    joints=_joints,
    split=split_by_style,
    source=(
        "100STYLE (Mason, Starke & Komura 2022, Real-Time Style Modelling of Human Locomotion via Feature-Wise "
        "Transformations and Local Motion Phases, doi 10.1145/3522618)"
    ),
    licence="CC BY 4.0, (c) Ian Mason, Sebastian Starke and Taku Komura",
)
