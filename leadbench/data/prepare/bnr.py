"""The Bandai-Namco Research motion dataset (Kobayashi et al. 2023, arXiv 2306.08861; CC BY-NC 4.0) from its BVH files.

File names carry the labels: ``dataset-2_walk-turn-left_elderly_003.bvh``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from leadbench.core.errors import DataError
from leadbench.data.prepare.convert import Corpus, PrepareOptions, PrepareReport, Recording, bvh_files, convert
from leadbench.data.prepare.splits import split_clips
from leadbench.data.prepare.wording_bnr import BANDAI_NAMCO_WORDING
from leadbench.motion.bvh import read_bvh
from leadbench.motion.posture import Upright
from leadbench.motion.retarget import BANDAI_NAMCO, upright_joints

_NAME = re.compile(r"dataset-(?P<set>\d+)_(?P<content>[a-z-]+)_(?P<style>[a-z-]+)_(?P<take>\d+)$")


def prepare_bnr(
    source: Path, out: Path, options: PrepareOptions, progress: Callable[[int, int], None] | None = None
) -> PrepareReport:
    """Convert the dataset to HumanML3D's on-disk format.

    Raises:
        DataError: ``source`` holds no BVH file with a name of the dataset or none that is long enough, or ``out``
            exists.
        UnknownNameError: a style to be held out is that of no file.
    """
    files = bvh_files(source)
    named = [(path, match) for path in files if (match := _NAME.match(path.stem))]
    if not named:
        raise DataError(
            f"--source {source}: no file named like dataset-2_walk_normal_001.bvh (needed: a checkout of "
            f"Bandai-Namco-Research-Motiondataset with its archives unpacked)"
        )
    recordings = [
        Recording(path.stem.removeprefix("dataset-"), path, match["content"], match["style"]) for path, match in named
    ]
    return convert(CORPUS, recordings, out, options, progress)


def _joints(recording: Recording) -> Upright:
    return upright_joints(read_bvh(recording.path), BANDAI_NAMCO)


CORPUS = Corpus(
    name="bnr",
    wording=BANDAI_NAMCO_WORDING,
    joints=_joints,
    split=split_clips,
    source="Bandai-Namco-Research-Motiondataset 1 and 2 (Kobayashi et al. 2023, arXiv 2306.08861)",
    licence="CC BY-NC 4.0, (c) 2022 Bandai Namco Research Inc.",
)
