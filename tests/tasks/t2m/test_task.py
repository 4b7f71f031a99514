from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import FakeAutoencoder, FakeBackbone, FakeEvaluator
from folders import write_folder
from records import named

from leadbench.core.config import T2MConfig
from leadbench.core.errors import LatentMismatchError, NonFiniteError
from leadbench.core.tensors import Latent, MotionBatch
from leadbench.data.humanml3d import HumanML3DFolder, draw
from leadbench.generation.pipeline import realign
from leadbench.results.details import T2MDetails
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row
from leadbench.results.store import RunStore
from leadbench.tasks.shared.controls import derangement
from leadbench.tasks.shared.metrics import OpenedMetrics
from leadbench.tasks.shared.realigners import Edit
from leadbench.tasks.shared.runner import run_folder, run_task
from leadbench.tasks.shared.units import Entry, Progress, Sampling, silent
from leadbench.tasks.t2m.tables import render
from leadbench.tasks.t2m.task import T2MTask

IDS = {
    "train": [f"t{i}" for i in range(24)],
    "val": ["v0"],
    "test": [f"s{i:02}" for i in range(36)],
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> HumanML3DFolder:
    return HumanML3DFolder(write_folder(tmp_path_factory.mktemp("data") / "walks", IDS))


def _config(**changes: object) -> T2MConfig:
    small = {"replications": 2, "multimodality_captions": 5, "multimodality_repeats": 4, "multimodality_pairs": 2}
    return T2MConfig.model_validate({**small, "pool": 8, "chunk": 8, **changes})


def _task(dataset: HumanML3DFolder, **changes: object) -> T2MTask:
    autoencoder = FakeAutoencoder(dataset.motion)
    samplings = tuple(Sampling("fake", steps, None) for steps in (1, 2))
    edits = (
        Edit(None, None, None, "", None, None),
        Edit("lead", None, None, "LEAD", "fake", lambda z, _: Latent(0.5 * z.values, z.mask)),
    )
    return T2MTask(
        dataset,
        FakeEvaluator(dataset.motion),
        [Entry("fake", FakeBackbone(autoencoder), samplings, edits)],
        _config(**changes),
        description={"test": True},
        names={"fake": "Fake", "lead": "LEAD"},
        controls=True,
    )


def _run(dataset: HumanML3DFolder, out: Path, progress: Progress = silent, **changes: object) -> Run:
    return run_task(_task(dataset, **changes), out, progress=progress)


def _numbers(run: Run) -> dict[str, tuple[object, object]]:
    return {record.key: (record.metrics, record.details) for record in run.records}


def _first(run: Run, name: str, steps: int | None = None) -> Record:
    return next(r for r in named(run)[name] if steps in (None, r.row.steps))


def _norm(record: Record) -> float:
    assert isinstance(record.details, T2MDetails)
    return record.details.latent_norm or 0.0


class KilledError(Exception):
    pass


def test_a_killed_run_ends_with_the_same_records(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    whole = _run(dataset, tmp_path / "whole")

    def kill(label: str, done: int, total: int) -> None:
        if done == total // 2:
            raise KilledError

    with pytest.raises(KilledError):
        _run(dataset, tmp_path / "halves", kill)
    folder = run_folder(_task(dataset), tmp_path / "halves")
    before = len(RunStore(folder).records())
    resumed = _run(dataset, tmp_path / "halves")
    assert resumed.folder == folder
    assert 0 < before < len(whole.records)
    assert _numbers(resumed) == _numbers(whole)


def test_chunks_do_not_change_the_numbers(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    for chunk in (5, 64):
        a = _numbers(_run(dataset, tmp_path / f"a{chunk}", replications=1))
        b = _numbers(_run(dataset, tmp_path / f"b{chunk}", replications=1, chunk=chunk))
        for key, (metrics, _) in a.items():
            for name, value in metrics.items():  # type: ignore[attr-defined]
                other = b[key][0][name]  # type: ignore[index]
                assert other == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-6))


def test_running_out_of_memory_halves_the_chunk_and_changes_no_number(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    whole = {record.key: record for record in _run(dataset, tmp_path / "whole", replications=1).records}
    task = _task(dataset, replications=1)
    autoencoder = task.entries[0].backbone.autoencoder
    good = autoencoder.decode

    def tight(latent: Latent, mask: torch.Tensor) -> MotionBatch:
        if len(mask) > 3:
            raise MemoryError
        return good(latent, mask)

    autoencoder.decode = tight  # type: ignore[method-assign]
    for record in run_task(task, tmp_path / "small").records:
        assert not _norm(record) or record.chunk_size <= 3
        for name, value in record.metrics.items():
            expected = whole[record.key].metrics[name]
            assert value == (None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-6))


def test_a_train_split_smaller_than_the_test_split_is_not_repeated(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    row = _first(_run(dataset, tmp_path, replications=1), "Train sample")
    assert len(IDS["train"]) < len(IDS["test"])
    assert row.metrics["fid"] is not None
    assert row.metrics["mm_dist"] is None


def test_further_metrics_are_means_over_the_test_motions(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    metrics = {
        "frames": lambda motions: motions.mask.sum(dim=1).float(),
        "norm": lambda motions: motions.latent.norm(),
        "undefined": lambda motions: motions.latent.values.flatten(1).mean(dim=1),
    }
    run = run_task(replace(_task(dataset, replications=1), metrics=OpenedMetrics(tuple(metrics), metrics)), tmp_path)
    drawn = draw(dataset.load("test")[0], 0, 0)
    real, fake = _first(run, "Real"), _first(run, "Fake")
    frames = sum(item.length for item in drawn) / len(drawn)
    assert fake.metrics["frames"] == pytest.approx(frames)
    assert real.metrics["frames"] == pytest.approx(frames)
    assert real.metrics["norm"] == 0  # real motions have no latents
    assert real.metrics["undefined"] is None
    assert "| frames" in render(run).replace("   ", " ")


def test_warnings_go_into_every_record(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    task = replace(_task(dataset, replications=1), warnings=("not comparable",))
    assert {record.details.warnings for record in run_task(task, tmp_path).records} == {("not comparable",)}


def test_rows_and_metrics(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    run = _run(dataset, tmp_path)
    assert list(named(run)) == [
        "Real",
        "Real, shuffled captions",
        "Train sample",
        "Reconstruction",
        "Other test latents",
        "Gaussian latents",
        "N(0, I) latents",
        "Fake",
        "LEAD (Fake)",
    ]
    rows = {record.row for record in run.records}
    assert Row(backbone="fake", projector="lead", steps=2) in rows
    assert Row(source="latents", control="gaussian-latents") in rows
    real, fake = _first(run, "Real"), _first(run, "Fake", 1)
    assert real.metrics["fid"] is not None
    assert real.metrics["fid"] < _first(run, "N(0, I) latents").metrics["fid"]  # type: ignore[operator]
    assert real.metrics["multimodality"] is None
    assert fake.metrics["multimodality"] > 0  # type: ignore[operator]
    assert _norm(fake) == pytest.approx(2 * _norm(_first(run, "LEAD (Fake)", 1)))
    assert _first(run, "Train sample").metrics["r_precision_1"] is None


def test_multimodality_of_halved_latents_is_halved(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    run = _run(dataset, tmp_path, replications=1)
    plain, halved = _first(run, "Fake", 2), _first(run, "LEAD (Fake)", 2)
    assert halved.metrics["multimodality"] == pytest.approx(plain.metrics["multimodality"] / 2, rel=1e-4)  # type: ignore[operator]


def test_below_one_pool_retrieval_is_not_available(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    records = _run(dataset, tmp_path, replications=1, pool=64).records
    assert all(record.metrics["r_precision_3"] is None and record.metrics["mm_dist"] is None for record in records)


def test_multimodality_only_where_asked(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    records = _run(dataset, tmp_path, multimodality_replications=1).records
    having = {r.replication for r in records if r.metrics["multimodality"] is not None}
    assert having == {0}


def test_a_motion_of_nan_is_refused_and_not_recorded(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    task = _task(dataset, replications=1)
    autoencoder = task.entries[0].backbone.autoencoder
    good = autoencoder.decode

    def bad(latent: Latent, mask: torch.Tensor) -> MotionBatch:
        motion = good(latent, mask)
        motion.features[0, 0, 0] = float("nan")
        return motion

    autoencoder.decode = bad  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError):
        run_task(task, tmp_path)
    stored = RunStore(run_folder(task, tmp_path)).load()
    assert set(named(stored)) == {"Real", "Real, shuffled captions", "Train sample"}


def test_a_derangement_moves_everybody() -> None:
    for count in (2, 3, 17):
        order = derangement(count, 0, 0)
        assert sorted(order) == list(range(count))
        assert all(i != place for place, i in enumerate(order))


def test_a_projector_of_another_latent_space_is_refused(dataset: HumanML3DFolder) -> None:
    class Foreign:
        latent_fingerprint, text_encoder = "other-space", "clip"

        def project(self, latent: Latent) -> Latent:
            return latent

        def reproject(self, latent: Latent) -> Latent:
            return latent

    autoencoder = FakeAutoencoder(dataset.motion)
    with pytest.raises(LatentMismatchError, match=r"other-space.*fake-space"):
        realign(Foreign(), autoencoder)  # type: ignore[arg-type]
    assert realign(Foreign(), autoencoder, allow_mismatch=True) is not None  # type: ignore[arg-type]


def test_threads_do_not_change_the_numbers(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    alone, threaded = _task(dataset), _task(dataset)
    assert alone._chunks.workers == 1  # the fakes do not say that they stand several threads
    threaded._chunks.workers = 3
    assert _numbers(run_task(threaded, tmp_path / "threaded")) == _numbers(run_task(alone, tmp_path / "alone"))


def test_the_time_of_every_stage_is_recorded_once(dataset: HumanML3DFolder, tmp_path: Path) -> None:
    run = _run(dataset, tmp_path, replications=1)
    plain, lead = _first(run, "Fake", 1), _first(run, "LEAD (Fake)", 1)
    assert set(plain.seconds) == {"text", "denoise", "decode", "embed", "measure", "score"}  # shared by both rows
    assert set(lead.seconds) == {"project", "decode", "embed", "measure", "score"}
    assert all(value > 0 for record in run.records for value in record.seconds.values())
    assert "reference" in _first(run, "Real").seconds
