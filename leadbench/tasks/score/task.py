"""Scores of a folder of motions under the text-to-motion protocol, whoever generated them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.config import SelfTestSettings, T2MConfig
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.device import indices, place_of
from leadbench.core.errors import DataError, MotionFileError
from leadbench.core.settings import settings
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionBatch, MotionSample
from leadbench.data.digest import dataset_identity
from leadbench.data.exemplars import check_features, read_values
from leadbench.data.frames import FramePool
from leadbench.data.humanml3d import FRAME_STEP, DrawnSample, feature_mode
from leadbench.motion.features import joints_to_features
from leadbench.motion.posture import require_upright
from leadbench.motion.uniform import Mode
from leadbench.results.details import ScoreDetails
from leadbench.results.records import MetricColumn, Record, record_key
from leadbench.results.rows import REAL, Row
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork, chunked_work
from leadbench.tasks.shared.embedding_task import EmbeddingTask
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.shared.metrics import OpenedMetrics, open_metrics
from leadbench.tasks.shared.opening import open_evaluator
from leadbench.tasks.shared.real_motions import measure_motions, measure_real
from leadbench.tasks.shared.scoring import embed, make_reference, reduced_settings, score
from leadbench.tasks.shared.selftest import SKIPPED, expected_row, run_self_test
from leadbench.tasks.shared.units import Unit
from leadbench.text.cache import CachedTextEncoder
from leadbench.zoo.assets import Opened


@dataclass(frozen=True, eq=False)
class FolderMotions:
    """Generated motions by id of the test motion they were made for: raw features [F, D] in the dataset's units.

    ``joints`` says whether some of them were made of joints.
    """

    name: str
    features: dict[str, Tensor]
    digest: str
    joints: bool = False


def load_motions(folder: Path, dataset: MotionDataset, ids: Sequence[str], mode: Mode = "official") -> FolderMotions:
    """Read ``ID.npy`` for every id: features [F, D], not normalised, or joints [F, J, 3] in metres.

    A caption with a time tag is a sample of its own, with the id ``ID#LINE``: its motion is in ``ID#LINE.npy``. Joints
    become features of F - 1 frames, in ``mode``.

    Raises:
        DataError: the folder is missing or lacks motions.
        MotionFileError: a file is no motion of this skeleton, or shorter than one unit of frames.
        NonFiniteError: a motion holds NaN or infinity.
    """
    if not folder.is_dir():
        raise DataError(f"--motions {folder}: no such folder")
    missing = [identifier for identifier in ids if not (folder / f"{identifier}.npy").is_file()]
    if missing:
        raise DataError(
            f"--motions {folder}: {len(missing)} of {len(ids)} test motions have no file (first: {missing[0]})"
        )
    digest = hashlib.sha256()
    features, joints = {}, False
    for identifier in ids:
        path = folder / f"{identifier}.npy"
        features[identifier], of_joints = _features(path, dataset, mode)
        joints = joints or of_joints
        digest.update(features[identifier].numpy().tobytes())
    return FolderMotions(folder.name, features, digest.hexdigest(), joints)


def _features(path: Path, dataset: MotionDataset, mode: Mode) -> tuple[Tensor, bool]:
    """Features of a file, and whether it holds joints."""
    skeleton = get_skeleton(dataset.motion.skeleton)
    motion = read_values(path)
    joints = motion.ndim == 3 and motion.shape[1:] == (skeleton.n_joints, 3)
    if joints:
        if len(motion) < 2:
            raise MotionFileError(f"{path}: has {len(motion)} frame; joints need one more than features have")
        require_upright(motion.double().numpy(), skeleton, path)
        motion = joints_to_features(motion, skeleton, mode=mode).features
    motion = check_features(motion, skeleton, path)
    if len(motion) < FRAME_STEP:
        raise MotionFileError(f"{path}: {len(motion)} frames; at least {FRAME_STEP} are needed")
    return motion, joints


@dataclass
class ScoreTask(EmbeddingTask):
    """Motions of a folder against real ones.

    A replication draws caption and length of each test motion as always; a motion is cut to that length, or to its own
    if it is shorter. There is one motion for each id, so MultiModality is not available.

    Args:
        dataset, evaluator: whose test motions are the reference, and the space of the metrics.
        motions: what is scored.
        samples: the test split.
        config: protocol.
        self_test: how far real motions may score from what is known of them; None: they are not tested.
        metrics: further ones, of motions and of sets.
        encoders: text encoders of metrics.
        inputs: what the numbers depend on (:func:`leadbench.tasks.shared.identity.inputs_identity`).
    """

    dataset: MotionDataset
    evaluator: Evaluator
    motions: FolderMotions
    samples: Sequence[MotionSample]
    config: T2MConfig
    self_test: SelfTestSettings | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    metrics: OpenedMetrics = field(default_factory=OpenedMetrics)
    encoders: Mapping[str, CachedTextEncoder] = field(default_factory=dict)
    name: str = "score"

    def __post_init__(self) -> None:
        names = list(self.motions.features)
        self._rows = {name: row for row, name in enumerate(names)}
        self._frames = FramePool([self.motions.features[name] for name in names], place_of(self.evaluator))
        skipped = self.self_test is None and expected_row(self.dataset, self.evaluator) is not None
        self._warnings = (SKIPPED,) if skipped else ()
        joints, mode = self.motions.joints, self.inputs.get("feature_mode")
        self.columns: Mapping[str, MetricColumn] = self.metrics.columns
        self._notes = (f"joints became features in {mode} mode",) if joints else ()

    @property
    def _samples(self) -> Sequence[MotionSample]:
        return self.samples

    @cached_property
    def _chunks(self) -> ChunkedWork:
        return chunked_work(self.config.chunk, self.evaluator, self.samples)

    def identity(self) -> dict[str, Any]:
        """Protocol, data, evaluator and the motions' content."""
        return {
            "config": self.config.model_dump(mode="json"),
            "dataset": dataset_identity(self.dataset),
            **self.inputs,
            "evaluator": self.evaluator.identity,
            **({"metrics": list(self.metrics.names)} if self.metrics.names else {}),
            "motions": {"name": self.motions.name, "digest": self.motions.digest},
            **({"self_test": "skipped"} if self._warnings else {}),
        }

    def check(self) -> None:
        """The self-test, where it is known what real motions must score.

        Raises:
            SelfTestError: they do not.
        """
        if self.self_test is None or expected_row(self.dataset, self.evaluator) is None:
            return
        reference = make_reference(self.evaluator, self.samples, self.config, 0, self._chunks)
        real = score(reference.as_real, reference.motion, self.config)
        tested = run_self_test(self.dataset, self.evaluator, self.samples, real, self.self_test)
        if tested is not None:
            tested.require()

    def units(self) -> list[Unit]:
        """One for each replication: the rows Real and of the folder."""
        rows = (REAL, self._row)
        return [
            Unit(
                f"replication {replication + 1}",
                tuple(record_key(row, replication) for row in rows),
                partial(self._replication, replication),
            )
            for replication in range(self.config.replications)
        ]

    @property
    def _row(self) -> Row:
        return Row(source="given", setting={"name": self.motions.name})

    def _replication(self, replication: int) -> list[Record]:
        reference = make_reference(self.evaluator, self.samples, self.config, replication, self._chunks)
        made = self._embed(reference.drawn)
        metrics = {
            REAL: score(reference.as_real, reference.motion, self.config),
            self._row: score(reference, made, self.config),
        }
        spec, single = self.dataset.motion, self.metrics.single
        metrics[REAL] |= measure_real(reference.drawn, spec, single, self._chunks)
        metrics[self._row] |= measure_motions(
            reference.drawn, partial(self._crops, reference.drawn), spec, single, self._chunks
        )
        metrics[REAL] |= self._of_sets(reference, reference.motion, replication, as_real=True)
        metrics[self._row] |= self._of_sets(reference, made, replication)
        details = ScoreDetails(
            samples=len(self.samples),
            notes=(*reduced_settings(reference, self.config), *self._notes),
            warnings=self._warnings,
        )
        return [self._record_of(row, replication, found, details) for row, found in metrics.items()]

    def _embed(self, drawn: Sequence[DrawnSample]) -> Tensor:
        """Embeddings [S, E] of the folder's motions, each cut to the length that was drawn for it."""
        place = place_of(self.evaluator)
        out = torch.full((len(drawn), self.evaluator.dim), float("nan"), device=place)

        def work(chunk: Chunk) -> None:
            made = embed(self.evaluator, self._crops(drawn, chunk)).to(out.dtype)
            out.index_copy_(0, indices(chunk.rows, place), made)

        self._chunks.run(drawn, work)
        return out.cpu()

    def _crops(self, drawn: Sequence[DrawnSample], chunk: Chunk) -> MotionBatch:
        """The folder's motions of a chunk, raw."""
        rows = [self._rows[drawn[row].id] for row in chunk.rows]
        whole = [len(self.motions.features[drawn[row].id]) // FRAME_STEP * FRAME_STEP for row in chunk.rows]
        lengths = [min(drawn[row].length, frames) for row, frames in zip(chunk.rows, whole, strict=True)]
        return self._frames.crops(rows, [0] * len(rows), lengths)


@dataclass(frozen=True)
class ScoreRequest:
    """What a user asks for.

    Attributes:
        motions: folder with ``ID.npy`` for every test sample.
        evaluator: registered name.
        metrics: registered names of further metrics.
        corrected: joints become features without HumanML3D's defects, whatever the dataset's card says.
        self_test: measure real motions first.
        config: protocol.
    """

    motions: Path
    evaluator: str = "guo"
    metrics: tuple[str, ...] = ()
    corrected: bool = False
    self_test: bool = True
    config: T2MConfig = field(default_factory=T2MConfig)


def open_score(opened: Opened, request: ScoreRequest) -> ScoreTask:
    """The task; nothing is written.

    Raises:
        DataError, MotionFileError, NonFiniteError: see :func:`load_motions`.
    """
    evaluator = open_evaluator(opened, request.evaluator)
    samples = opened.dataset.load(request.config.split)[0]
    mode: Mode = "corrected" if request.corrected else feature_mode(opened.dataset)
    motions = load_motions(request.motions, opened.dataset, [sample.id for sample in samples], mode)
    tolerances = settings().self_test if request.self_test else None
    metrics = open_metrics(opened, request.metrics)
    parts = [("evaluator", request.evaluator), *(("metric", name) for name in metrics.names)]
    splits = ("train",) if metrics.sets else ()
    inputs = {**inputs_identity(opened, splits=splits, parts=parts), "feature_mode": mode}
    encoders = opened.models.text_encoders if metrics.sets else {}
    return ScoreTask(opened.dataset, evaluator, motions, samples, request.config, tolerances, inputs, metrics, encoders)
