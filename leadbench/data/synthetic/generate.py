"""The embedded corpus as a dataset in HumanML3D's on-disk format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from leadbench.core.errors import DataError
from leadbench.core.processes import begin_worker
from leadbench.core.random import stream
from leadbench.core.skeleton import get_skeleton
from leadbench.data.prepare.splits import SHARES, split_clips
from leadbench.data.prepare.writer import PreparedClip, fresh_folder, write_clip, write_index
from leadbench.data.synthetic.act import FPS, Act, enliven, then
from leadbench.data.synthetic.body import Pose, stand, to_joints
from leadbench.data.synthetic.corpus import ACTIONS
from leadbench.data.synthetic.options import VERSION, SynthesisOptions
from leadbench.data.synthetic.wording import write_captions
from leadbench.motion.features import features_to_joints, joints_to_features

MIN_FRAMES, MAX_FRAMES = 41, 197  # of joints; features have one row less
_SEQUENCES = 0.3  # share of clips with two actions


@dataclass(frozen=True, eq=False)
class Performance:
    """A clip: its actions by name, and the joints [F, 22, 3] in metres at 20 frames a second."""

    actions: tuple[str, ...]
    acts: tuple[Act, ...]
    joints: np.ndarray
    captions: tuple[str, ...]


def first_action(number: int) -> str:
    """What clip ``number`` begins with. Actions take turns, so each is equally frequent.

    >>> first_action(0), first_action(28)
    ('walk', 'jog')
    """
    return list(ACTIONS)[number % len(ACTIONS)]


def perform(seed: int, number: int) -> Performance:
    """Clip ``number``: a function of seed and number alone, which begins with :func:`first_action`."""
    rng = stream(seed, f"synthetic:{VERSION}", number)
    chosen, acts, pose = _chosen(rng, number)
    if pose.frames < MIN_FRAMES:
        pose = then(pose, stand(MIN_FRAMES - pose.frames + 1))
    joints = to_joints(enliven(pose, rng))
    return Performance(tuple(chosen), tuple(acts), joints, write_captions(acts, rng))


def segments(seed: int, number: int) -> list[tuple[str, int, int]]:
    """Actions of clip ``number`` with the frames of its features in which each is performed: from, to (excluded).

    Between two actions the body stands still for a moment, which belongs half to each.

    >>> segments(0, 1)
    [('jog', 0, 69), ('wave', 69, 152)]
    """
    chosen, acts, pose = _chosen(stream(seed, f"synthetic:{VERSION}", number), number)
    frames = max(pose.frames, MIN_FRAMES) - 1
    ends = [act.pose.frames + 1 for act in acts[:-1]] + [frames]
    return list(zip(chosen, [0, *ends[:-1]], ends, strict=True))


def _chosen(rng: np.random.Generator, number: int) -> tuple[list[str], list[Act], Pose]:
    """One action or two, by name and performed, and the pose of all of them."""
    names = list(ACTIONS)
    first = first_action(number)
    wanted = 2 if rng.random() < _SEQUENCES else 1
    for _ in range(20):
        chosen = [first, *(names[int(rng.integers(len(names)))] for _ in range(wanted - 1))]
        acts = [ACTIONS[name](rng) for name in chosen]
        pose = acts[0].pose
        for act in acts[1:]:
            pose = then(then(pose, stand(4)), act.pose)
        if pose.frames <= MAX_FRAMES:
            break
    else:
        chosen, acts = chosen[:1], acts[:1]
        pose = acts[0].pose.cut(0, MAX_FRAMES)
    return chosen, acts, pose


def synthesize(
    out: Path, options: SynthesisOptions, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Write the corpus; returns the number of ids of each split.

    Raises:
        DataError: ``out`` exists, or fewer clips are asked for than there are splits.
    """
    if options.clips < len(SHARES):
        raise DataError(f"--clips {options.clips}: at least {len(SHARES)} are needed, one for each split")
    with fresh_folder(out) as folder:
        labels: dict[str, tuple[str, str]] = {}
        for done, (clip, actions) in enumerate(_clips(options), start=1):
            write_clip(folder, clip)
            labels[clip.id] = (actions[0], actions[-1] if len(actions) > 1 else "")
            if progress is not None:
                progress(done, options.clips)
        splits: dict[str, list[str]] = {name: [] for name in SHARES}
        for name, split in sorted(split_clips({n: (a, "") for n, (a, _) in labels.items()}, options.seed).items()):
            splits[split].append(name)
        ids = {split: len(members) for split, members in splits.items()}
        counts = Counter(action for pair in labels.values() for action in pair if action)
        write_index(folder, splits, get_skeleton("humanml3d"), _card(options, ids), {"actions": dict(counts)})
        return ids


def _card(options: SynthesisOptions, ids: dict[str, int]) -> dict[str, object]:
    return {
        "name": "synthetic",
        "skeleton": "humanml3d",
        "fps": FPS,
        "min_frames": MIN_FRAMES - 1,
        "max_frames": 200,
        "feature_mode": "corrected",
        "corpus_version": VERSION,
        "seed": options.seed,
        "ids": ids,
        "source": "generated by leadbench.data.synthetic; no motion capture",
        "licence": "Apache-2.0",
    }


def _clips(options: SynthesisOptions) -> Iterator[tuple[PreparedClip, tuple[str, ...]]]:
    arguments = [(options.seed, number) for number in range(options.clips)]
    if options.workers <= 1:
        yield from map(_make, arguments)
        return
    with ProcessPoolExecutor(options.workers, initializer=begin_worker) as pool:
        yield from pool.map(_make, arguments, chunksize=16)


def _make(arguments: tuple[int, int]) -> tuple[PreparedClip, tuple[str, ...]]:
    seed, number = arguments
    performance = perform(seed, number)
    skeleton = get_skeleton("humanml3d")
    made = joints_to_features(torch.from_numpy(performance.joints).float(), skeleton, mode="corrected")
    recovered = features_to_joints(made.features, skeleton)
    name = f"{number:06d}"
    clip = PreparedClip(name, made.features.numpy(), recovered.numpy(), performance.captions)
    return clip, performance.actions
