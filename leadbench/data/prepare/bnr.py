"""The Bandai-Namco Research motion dataset (Kobayashi et al. 2023, arXiv 2306.08861; CC BY-NC 4.0) from its BVH files.

File names carry the labels: ``dataset-2_walk-turn-left_elderly_003.bvh``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadbench.data.prepare.captions import VERSION, swap_sides, write_captions
from leadbench.data.prepare.measure import measure
from leadbench.data.prepare.splits import SHARES, split_clips
from leadbench.data.prepare.wording_bnr import BANDAI_NAMCO_WORDING
from leadbench.data.prepare.writer import PreparedClip, fresh_folder, write_clip, write_index
from leadbench.errors import DataError, LeadbenchError, NonFiniteError, unknown_name
from leadbench.motion.bvh import read_bvh
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.motion.mirror import mirror_joints
from leadbench.motion.retarget import BANDAI_NAMCO, retarget
from leadbench.motion.uniform import Mode
from leadbench.skeleton import get_skeleton

MIN_FRAMES = 40
MAX_FRAMES = 200  # exclusive
SEGMENT = 196
_NAME = re.compile(r"dataset-(?P<set>\d+)_(?P<content>[a-z-]+)_(?P<style>[a-z-]+)_(?P<take>\d+)$")


@dataclass(frozen=True)
class PrepareOptions:
    """How to convert.

    Attributes:
        mode: of the features; corrected, because this data has no published features to match.
        target_offsets: bone offsets [22, 3] in metres; None: the skeleton's own.
        workers: processes.
        seed: of the splits.
    """

    mode: Mode = "corrected"
    target_offsets: tuple[tuple[float, float, float], ...] | None = None
    workers: int = 2
    seed: int = 0


@dataclass(frozen=True)
class PrepareReport:
    """What became of the files.

    Attributes:
        files: BVH files found.
        duplicates: clip -> earlier clip made of the same bytes: left out.
        short: clip -> frames, under 40 frames at 20 fps: left out.
        cut: clip -> segments, where a clip of 200 frames or more was cut.
        broken: file -> why it could not be read.
        splits: split -> number of ids (mirrored ones counted).
        round_trip: largest distance in metres between joints and those recovered from features.
    """

    files: int = 0
    duplicates: dict[str, str] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    round_trip: float = 0.0

    @property
    def broken_fraction(self) -> float:
        """Share of files that could not be read."""
        return len(self.broken) / max(1, self.files)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a worker sends back for one file."""

    name: str
    digest: str = ""
    clips: tuple[PreparedClip, ...] = ()
    frames: int = 0
    error: str | None = None
    round_trip: float = 0.0


def prepare_bnr(
    source: Path, out: Path, options: PrepareOptions, progress: Callable[[int, int], None] | None = None
) -> PrepareReport:
    """Convert the dataset to HumanML3D's on-disk format.

    Raises:
        DataError: ``source`` holds no BVH file with a name of the dataset or none that is long enough, or ``out``
            exists.
    """
    files = sorted(source.rglob("*.bvh")) if source.is_dir() else []
    named = [path for path in files if _NAME.match(path.stem)]
    if not named:
        raise DataError(
            f"--source {source}: no file named like dataset-2_walk_normal_001.bvh (needed: a checkout of "
            f"Bandai-Namco-Research-Motiondataset with its archives unpacked)"
        )
    report = PrepareReport(files=len(named))
    with fresh_folder(out) as folder:
        clips: dict[str, list[str]] = {}
        seen: dict[str, str] = {}
        for done, outcome in enumerate(_outcomes(named, options), start=1):
            first = seen.setdefault(outcome.digest, outcome.name) if outcome.digest else outcome.name
            if first != outcome.name or outcome.name in clips:
                report.duplicates[outcome.name] = first
            elif outcome.error is not None:
                report.broken[outcome.name] = outcome.error
            elif not outcome.clips:
                report.short[outcome.name] = outcome.frames
            else:
                report = replace(report, round_trip=max(report.round_trip, outcome.round_trip))
                if len(outcome.clips) > 2:
                    report.cut[outcome.name] = len(outcome.clips) // 2
                clips[outcome.name] = [clip.id for clip in outcome.clips]
                for clip in outcome.clips:
                    write_clip(folder, clip)
            if progress is not None:
                progress(done, len(named))
        if not clips:
            raise DataError(f"--source {source}: none of {len(named)} files gave a clip of {MIN_FRAMES} frames or more")
        return _finish(folder, clips, options, report)


def _outcomes(files: Sequence[Path], options: PrepareOptions) -> Iterator[_Outcome]:
    arguments = [(path, options) for path in files]
    if options.workers <= 1:
        yield from map(_convert, arguments)
        return
    # the processes share the cores, so each computes on one
    with ProcessPoolExecutor(options.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(_convert, arguments, chunksize=8)


def _finish(folder: Path, clips: dict[str, list[str]], options: PrepareOptions, report: PrepareReport) -> PrepareReport:
    labels = {name: _labels(name) for name in clips}
    assigned = split_clips(labels, options.seed)
    splits: dict[str, list[str]] = {name: [] for name in SHARES}
    for name in sorted(clips):
        splits[assigned[name]] += clips[name]
    report = replace(report, splits={split: len(ids) for split, ids in splits.items()})
    contents: dict[str, Counter[str]] = defaultdict(Counter)
    for name, split in assigned.items():
        contents[split][labels[name][0]] += 1
    card = {
        "name": "bnr",
        "skeleton": "humanml3d",
        "fps": 20.0,
        "min_frames": MIN_FRAMES,
        "max_frames": MAX_FRAMES,
        "feature_mode": options.mode,
        "captions_version": VERSION,
        "split_seed": options.seed,
        "ids": report.splits,
        "mirrored": sum(i.startswith("M") for ids in clips.values() for i in ids),
        "source": "Bandai-Namco-Research-Motiondataset 1 and 2 (Kobayashi et al. 2023, arXiv 2306.08861)",
        "licence": "CC BY-NC 4.0, (c) 2022 Bandai Namco Research Inc.",
    }
    details = {**asdict(report), "contents": {split: dict(counter) for split, counter in contents.items()}}
    write_index(folder, splits, get_skeleton("humanml3d"), card, details)
    return report


def _labels(name: str) -> tuple[str, str]:
    """Content and style of a clip; raises DataError for a label that has no words."""
    _, content, style, _ = name.split("_")
    for kind, label, known in (
        ("content", content, BANDAI_NAMCO_WORDING.contents),
        ("style", style, BANDAI_NAMCO_WORDING.styles),
    ):
        if label not in known:
            raise unknown_name(kind, label, known)
    return content, style


def _convert(arguments: tuple[Path, PrepareOptions]) -> _Outcome:
    """One file to its clips and their mirrored copies; empty where it is too short."""
    path, options = arguments
    name = path.stem.removeprefix("dataset-")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        joints = retarget(read_bvh(path), BANDAI_NAMCO)
        return _pieces(name, joints, options, digest)
    except (LeadbenchError, OSError) as exc:
        return _Outcome(name, error=str(exc).replace(f"{path.parent}/", ""))


def _pieces(name: str, joints: NDArray[np.float64], options: PrepareOptions, digest: str) -> _Outcome:
    skeleton = get_skeleton("humanml3d")
    labels = _labels(name)
    frames = len(joints) - 1  # a row of features needs the frame after it
    if frames < MIN_FRAMES:
        return _Outcome(name, digest, frames=frames)
    clips, worst = [], 0.0
    for suffix, start, stop in segments(frames):
        for mirrored in (False, True):
            piece = torch.from_numpy(joints[start : stop + 1])
            piece = mirror_joints(piece, skeleton) if mirrored else piece
            clip, error = _clip(f"M{name}{suffix}" if mirrored else f"{name}{suffix}", labels, piece, options)
            clips.append(clip)
            worst = max(worst, error)
    return _Outcome(name, digest, tuple(clips), frames, round_trip=worst)


def _clip(
    name: str, labels: tuple[str, str], joints: torch.Tensor, options: PrepareOptions
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
    content, style = labels
    measured = measure(recovered.double().numpy(), skeleton.fps)
    label = swap_sides(content) if name.startswith("M") else content
    captions = write_captions(label, style, measured, BANDAI_NAMCO_WORDING, name)
    return PreparedClip(name, made.features.numpy(), recovered.numpy(), tuple(captions)), error


def segments(frames: int) -> list[tuple[str, int, int]]:
    """(suffix, start, stop) of a clip of ``frames`` feature frames: whole under 200, else pieces of 196.

    A last piece under 40 frames is left out.

    >>> segments(150), segments(420)
    ([('', 0, 150)], [('_1', 0, 196), ('_2', 196, 392)])
    """
    if frames < MAX_FRAMES:
        return [("", 0, frames)]
    starts = range(0, frames - MIN_FRAMES + 1, SEGMENT)
    return [(f"_{number}", start, min(start + SEGMENT, frames)) for number, start in enumerate(starts, start=1)]
