"""What all converters of motion capture share: recordings become clips, clips a dataset in HumanML3D's format."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadbench.core.errors import DataError, LeadbenchError, NonFiniteError, unknown_name
from leadbench.core.processes import begin_worker
from leadbench.core.skeleton import get_skeleton
from leadbench.data.humanml3d import HELD_OUT
from leadbench.data.labels import MotionLabel, write_labels
from leadbench.data.prepare.captions import VERSION, Wording, swap_sides, write_captions
from leadbench.data.prepare.measure import measure
from leadbench.data.prepare.splits import SHARES
from leadbench.data.prepare.writer import PreparedClip, fresh_folder, write_clip, write_index
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.motion.mirror import mirror_joints
from leadbench.motion.posture import Upright
from leadbench.motion.uniform import Mode

Floats = NDArray[np.float64]
MIN_FRAMES = 40
MAX_FRAMES = 200  # exclusive
SEGMENT = 196


@dataclass(frozen=True)
class PrepareOptions:
    """How to convert.

    Attributes:
        mode: of the features; corrected, because this data has no published features to match.
        target_offsets: bone offsets [22, 3] in metres; None: the skeleton's own.
        workers: processes.
        seed: of the splits.
        hold_out: styles whose clips leave train, val and test and form the split ``held_out``; the other clips stay
            where they are without it.
    """

    mode: Mode = "corrected"
    target_offsets: tuple[tuple[float, float, float], ...] | None = None
    workers: int = 2
    seed: int = 0
    hold_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrepareReport:
    """What became of the files.

    Attributes:
        files: BVH files found.
        duplicates: clip -> earlier clip made of the same bytes: left out.
        short: clip -> frames, under 40 frames at 20 fps: left out.
        cut: clip -> segments, where a clip of 200 frames or more was cut.
        broken: file -> why it could not be read.
        notes: clip -> what was put right in it.
        splits: split -> number of ids (mirrored ones counted).
        held_out: styles of the split ``held_out``.
        round_trip: largest distance in metres between joints and those recovered from features.
    """

    files: int = 0
    duplicates: dict[str, str] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    round_trip: float = 0.0

    @property
    def broken_fraction(self) -> float:
        """Share of files that could not be read."""
        return len(self.broken) / max(1, self.files)


@dataclass(frozen=True)
class Recording:
    """One file and its labels.

    Attributes:
        name: of its clip, unique in the corpus.
        path: the BVH file.
        content, style: labels, as the corpus' wording knows them.
        frames: first frame and the one after the last in the file; None: all.
        mirrored: whether a mirrored copy is written too.
    """

    name: str
    path: Path
    content: str
    style: str
    frames: tuple[int, int] | None = None
    mirrored: bool = True


@dataclass(frozen=True)
class Corpus:
    """A source of recordings.

    Attributes:
        name: of the dataset.
        wording: words for its labels.
        joints: recording -> joints [F, 22, 3] at 20 fps, y up; a function of a module, since processes are sent it.
        split: (recording -> (content, style), seed) -> recording -> split.
        source: what the data is and who made it; ``licence``: on which terms.
    """

    name: str
    wording: Wording
    joints: Callable[[Recording], Upright]
    split: Callable[[Mapping[str, tuple[str, str]], int], dict[str, str]]
    source: str
    licence: str


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a worker sends back for one recording."""

    recording: Recording
    digest: str = ""
    clips: tuple[PreparedClip, ...] = ()
    labels: Mapping[str, MotionLabel] = field(default_factory=dict)
    frames: int = 0
    segments: int = 0
    error: str | None = None
    round_trip: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class _Written:
    """What has been written so far: recordings, ids of each one's clips, labels by id."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, MotionLabel] = field(default_factory=dict)


def convert(
    corpus: Corpus,
    recordings: Sequence[Recording],
    out: Path,
    options: PrepareOptions,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareReport:
    """Write the clips of recordings, their mirrored copies, splits, labels, statistics and a report to a new folder.

    Raises:
        DataError: no recording is long enough, ``out`` exists, or holding styles out leaves a split empty.
        UnknownNameError: a style to be held out is that of no recording.
    """
    check_styles(options.hold_out, {recording.style for recording in recordings})
    report = PrepareReport(files=len(recordings), held_out=options.hold_out)
    with fresh_folder(out) as folder:
        written, seen = _Written(), dict[str, str]()
        for done, outcome in enumerate(_outcomes(corpus, recordings, options), start=1):
            report = _take(folder, outcome, written, seen, report)
            if progress is not None:
                progress(done, len(recordings))
        if not written.ids:
            raise DataError(f"none of {len(recordings)} files gave a clip of {MIN_FRAMES} frames or more")
        return _finish(folder, corpus, written, options, report)


def bvh_files(source: Path) -> list[Path]:
    """All BVH files below a folder, whatever the case of their extension, by path."""
    return sorted(path for path in source.rglob("*") if path.suffix.lower() == ".bvh" and path.is_file())


def check_styles(wanted: Collection[str], known: Collection[str]) -> None:
    """Raises UnknownNameError for a style to be held out that is not known."""
    for style in wanted:
        if style not in known:
            raise unknown_name("style", style, known, where="--hold-out-style")


def _take(
    folder: Path, outcome: _Outcome, written: _Written, seen: dict[str, str], report: PrepareReport
) -> PrepareReport:
    """Write an outcome's clips, or note in the report why there are none."""
    name = outcome.recording.name
    first = seen.setdefault(outcome.digest, name) if outcome.digest else name
    if first != name or name in written.ids:
        report.duplicates[name] = first
    elif outcome.error is not None:
        report.broken[name] = outcome.error
    elif not outcome.clips:
        report.short[name] = outcome.frames
    else:
        if outcome.segments > 1:
            report.cut[name] = outcome.segments
        if outcome.notes:
            report.notes[name] = list(outcome.notes)
        written.recordings[name] = outcome.recording
        written.ids[name] = [clip.id for clip in outcome.clips]
        written.labels.update(outcome.labels)
        for clip in outcome.clips:
            write_clip(folder, clip)
        return replace(report, round_trip=max(report.round_trip, outcome.round_trip))
    return report


def _outcomes(corpus: Corpus, recordings: Sequence[Recording], options: PrepareOptions) -> Iterator[_Outcome]:
    arguments = [(corpus, recording, options) for recording in recordings]
    if options.workers <= 1:
        yield from map(_convert, arguments)
        return
    with ProcessPoolExecutor(options.workers, initializer=begin_worker) as pool:
        yield from pool.map(_convert, arguments, chunksize=8)


def _finish(
    folder: Path, corpus: Corpus, written: _Written, options: PrepareOptions, report: PrepareReport
) -> PrepareReport:
    labels = {name: (item.content, item.style) for name, item in written.recordings.items()}
    assigned = corpus.split(labels, options.seed)
    # taken out after the split, so that no other clip changes place
    assigned.update({name: HELD_OUT for name, (_, style) in labels.items() if style in options.hold_out})
    splits: dict[str, list[str]] = {name: [] for name in (*SHARES, *([HELD_OUT] if options.hold_out else []))}
    for name in sorted(written.ids):
        splits[assigned[name]] += written.ids[name]
    empty = [split for split, ids in splits.items() if not ids]
    if empty and options.hold_out:
        raise DataError(f"--hold-out-style {','.join(options.hold_out)}: leaves {' and '.join(empty)} without motions")
    report = replace(report, splits={split: len(ids) for split, ids in splits.items()})
    contents: dict[str, Counter[str]] = defaultdict(Counter)
    styles: dict[str, Counter[str]] = defaultdict(Counter)
    for name, split in assigned.items():
        contents[split][labels[name][0]] += 1
        styles[split][labels[name][1]] += 1
    details = {
        **asdict(report),
        "contents": {split: dict(counter) for split, counter in contents.items()},
        "styles": {split: dict(counter) for split, counter in styles.items()},
    }
    write_labels(folder, written.labels)
    write_index(folder, splits, get_skeleton("humanml3d"), _card(corpus, written, options, report), details)
    return report


def _card(corpus: Corpus, written: _Written, options: PrepareOptions, report: PrepareReport) -> dict[str, Any]:
    mirrored = sum(i.startswith(f"M{name}") for name, ids in written.ids.items() for i in ids)
    return {
        "name": corpus.name,
        "skeleton": "humanml3d",
        "fps": 20.0,
        "min_frames": MIN_FRAMES,
        "max_frames": MAX_FRAMES,
        "feature_mode": options.mode,
        "captions_version": VERSION,
        "split_seed": options.seed,
        "ids": report.splits,
        **({"held_out": list(options.hold_out)} if options.hold_out else {}),
        "mirrored": mirrored,
        "source": corpus.source,
        "licence": corpus.licence,
    }


def _convert(arguments: tuple[Corpus, Recording, PrepareOptions]) -> _Outcome:
    """One recording to its clips and their mirrored copies; empty where it is too short."""
    corpus, recording, options = arguments
    try:
        digest = hashlib.sha256(recording.path.read_bytes()).hexdigest()
        found = corpus.joints(recording)
        return replace(_pieces(corpus, recording, found.joints, options, digest), notes=found.notes)
    except (LeadbenchError, OSError) as exc:
        return _Outcome(recording, error=str(exc).replace(f"{recording.path.parent}/", ""))


def _pieces(corpus: Corpus, recording: Recording, joints: Floats, options: PrepareOptions, digest: str) -> _Outcome:
    skeleton = get_skeleton("humanml3d")
    check_labels(recording, corpus.wording)
    frames = len(joints) - 1  # a row of features needs the frame after it
    if frames < MIN_FRAMES:
        return _Outcome(recording, digest, frames=frames)
    clips, labels, worst = [], {}, 0.0
    parts = segments(frames)
    for suffix, start, stop in parts:
        for mirrored in (False, True) if recording.mirrored else (False,):
            piece = torch.from_numpy(joints[start : stop + 1])
            piece = mirror_joints(piece, skeleton) if mirrored else piece
            content = swap_sides(recording.content) if mirrored else recording.content
            name = f"M{recording.name}{suffix}" if mirrored else f"{recording.name}{suffix}"
            labels[name] = MotionLabel(content, recording.style, recording.name)
            clip, error = _clip(name, labels[name], piece, corpus.wording, options)
            clips.append(clip)
            worst = max(worst, error)
    return _Outcome(recording, digest, tuple(clips), labels, frames, len(parts), round_trip=worst)


def check_labels(recording: Recording, wording: Wording) -> None:
    """Raises UnknownNameError for a label that has no words."""
    for kind, label, known in (
        ("content", recording.content, wording.contents),
        ("style", recording.style, wording.styles),
    ):
        if label not in known:
            raise unknown_name(kind, label, known)


def _clip(
    name: str, label: MotionLabel, joints: torch.Tensor, wording: Wording, options: PrepareOptions
) -> tuple[PreparedClip, float]:
    skeleton = get_skeleton("humanml3d")
    offsets = skeleton.offsets if options.target_offsets is None else np.array(options.target_offsets)
    made = joints_to_features(
        joints.float(),
        skeleton,
        target_offsets=torch.as_tensor(offsets, dtype=torch.float32),
        mode=options.mode,
    )
    if not bool(torch.isfinite(made.features).all()):
        raise NonFiniteError(f"{name}: the features hold NaN or infinite values (a bone of length 0?)")
    recovered = features_to_joints(made.features, skeleton)
    error = float((recovered - made.joints[:-1]).norm(dim=-1).max())
    measured = measure(recovered.double().numpy(), skeleton.fps)
    captions = write_captions(label.content, label.style, measured, wording, name)
    return PreparedClip(name, made.features.numpy(), recovered.numpy(), tuple(captions)), error


def segments(frames: int) -> list[tuple[str, int, int]]:
    """(suffix, start, stop) of a clip of ``frames`` feature frames: whole under 200, else pieces of 196 (9.8 s).

    A last piece under 40 frames is left out.

    >>> segments(150), segments(420)
    ([('', 0, 150)], [('_1', 0, 196), ('_2', 196, 392)])
    """
    if frames < MAX_FRAMES:
        return [("", 0, frames)]
    starts = range(0, frames - MIN_FRAMES + 1, SEGMENT)
    return [(f"_{number}", start, min(start + SEGMENT, frames)) for number, start in enumerate(starts, start=1)]
