"""Score a folder of generated motions under the T2M protocol, whatever made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.errors import DataError, MotionFileError
from leadbench.core.provenance import collect_provenance
from leadbench.core.settings import settings
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionBatch, MotionSample
from leadbench.data.exemplars import check_features, read_array
from leadbench.data.humanml3d import UNIT, DrawnSample, collate
from leadbench.motion.features import joints_to_features
from leadbench.motion.uniform import Mode
from leadbench.results.store import Record, RunStore
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork
from leadbench.tasks.shared.scoring import Reference, embed_checked, make_reference, score
from leadbench.tasks.shared.selftest import SKIPPED, expected_row, run_self_test
from leadbench.tasks.shared.units import Report


@dataclass(frozen=True, eq=False)
class FolderMotions:
    """Generated motions by id of the test motion they were made for: raw features [F, D] in the dataset's units."""

    name: str
    features: dict[str, Tensor]
    digest: str


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
    features = {}
    for identifier in ids:
        path = folder / f"{identifier}.npy"
        features[identifier] = _features(path, dataset, mode)
        digest.update(features[identifier].numpy().tobytes())
    return FolderMotions(folder.name, features, digest.hexdigest())


def score_and_store(
    folder: Path,
    dataset: MotionDataset,
    evaluator: Evaluator,
    config: T2MConfig,
    out: Path,
    mode: Mode,
    report: Report | None = None,
    *,
    self_test: bool = True,
) -> tuple[list[Record], Path]:
    """Score a folder and store its records under ``out``; returns them with the run's folder.

    Real motions are measured first, unless ``self_test`` is off; then records are stamped.

    Raises:
        SelfTestError: real motions do not score as they should; nothing is written.
        DataError, MotionFileError, NonFiniteError: see :func:`load_motions`; nothing is written then.
    """
    samples = dataset.load(config.split)[0]
    motions = load_motions(folder, dataset, [sample.id for sample in samples], mode)
    description: dict[str, object] = {
        "benchmark": "score",
        "config": config.model_dump(),
        "dataset": {"name": dataset.name, "identity": dataset.identity},
        "evaluator": evaluator.identity,
        "motions": {"name": motions.name, "digest": motions.digest},
    }
    stamps = () if self_test or expected_row(dataset, evaluator) is None else (SKIPPED,)
    if stamps:
        description["self_test"] = "skipped"
    if self_test:
        _require_self_test(dataset, samples, evaluator, config)
    run = "score-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]
    store = RunStore(out / dataset.name / run)
    records = score_folder(motions, dataset, samples, evaluator, config, report)
    if stamps:
        update = {"stamps": list(stamps)}
        records = [record.model_copy(update={"details": {**record.details, **update}}) for record in records]
    store.start(description, collect_provenance())
    for record in records:
        store.append(record)
    return store.records(), store.folder


def _require_self_test(
    dataset: MotionDataset, samples: Sequence[MotionSample], evaluator: Evaluator, config: T2MConfig
) -> None:
    """The self-test of the text-to-motion benchmark, where it is known what real motions must score."""
    if expected_row(dataset, evaluator) is None:
        return
    reference = make_reference(evaluator, samples, config, 0, ChunkedWork(config.chunk))
    real = score(reference.as_real, reference.motion, config)
    tested = run_self_test(dataset, evaluator, samples, real, settings().self_test)
    if tested is not None:
        tested.require()


def _features(path: Path, dataset: MotionDataset, mode: Mode) -> Tensor:
    skeleton = get_skeleton(dataset.motion.skeleton)
    motion = read_array(path)
    if motion.ndim == 3 and motion.shape[1:] == (skeleton.n_joints, 3):
        motion = joints_to_features(motion, skeleton, mode=mode).features
    motion = check_features(motion, skeleton, path)
    if len(motion) < UNIT:
        raise MotionFileError(f"{path}: {len(motion)} frames; at least {UNIT} are needed")
    return motion


def score_folder(
    motions: FolderMotions,
    dataset: MotionDataset,
    samples: Sequence[MotionSample],
    evaluator: Evaluator,
    config: T2MConfig,
    report: Report | None = None,
) -> list[Record]:
    """Records of the rows Real and of the folder, one for each replication.

    A replication draws caption and length of each test motion as always; a motion is cut to that length, or to its own
    if it is shorter. There is one motion for each id, so MultiModality is not available.
    """
    chunks = ChunkedWork(config.chunk)
    records = []

    def record(row: str, metrics: dict[str, float | None], reference: Reference, replication: int) -> Record:
        note = reference.pairs.note
        return Record(
            dataset=dataset.name,
            protocol=config.protocol,
            evaluator=evaluator.identity,
            row=row,
            replication=replication,
            seed=config.seed,
            metrics=metrics,
            details={
                "samples": len(samples),
                "notes": [f"pools of {config.pool}", *([f"Diversity: {note}"] if note else [])],
            },
            chunk_size=chunks.size,
            key=f"{row}||{replication}",
        )

    for replication in range(config.replications):
        reference = make_reference(evaluator, samples, config, replication, chunks)
        made = _embed(motions, reference.drawn, evaluator, chunks)
        real = score(reference.as_real, reference.motion, config)
        records.append(record("Real", real, reference, replication))
        records.append(record(motions.name, score(reference, made, config), reference, replication))
        if report is not None:
            report(f"replication {replication + 1}", replication + 1, config.replications)
    return records


def _embed(
    motions: FolderMotions,
    drawn: Sequence[DrawnSample],
    evaluator: Evaluator,
    chunks: ChunkedWork,
) -> Tensor:
    out = torch.full((len(drawn), evaluator.dim), float("nan"))

    def work(chunk: Chunk) -> None:
        clips = []
        for row in chunk.rows:
            features = motions.features[drawn[row].id]
            clips.append(features[: min(drawn[row].length, len(features) // UNIT * UNIT)])
        batch: MotionBatch = collate(clips)
        out[list(chunk.rows)] = embed_checked(evaluator, batch)

    chunks.run(drawn, work)
    return out
