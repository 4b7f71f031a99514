"""Whole runs on the pretended device against the same runs on the CPU, from the command line to the records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from leadbench_mld.backbone import MLDBackbone
from leadbench_motionlcm.backbone import MotionLCMBackbone

from leadbench.results.records import Record
from leadbench.results.store import RunStore
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.testing.pretended import Pretended, pretended_device, waits_inside
from tests.device.conftest import Call

RUN = ("--backbone", "mld,motionlcm", "--steps", "2;mld=3", "--replications", "1", "--skip-self-test")
QUICK = ("--multimodality-replications", "0")


def records(out: Path) -> list[Record]:
    """Records of the one run below a folder."""
    (header,) = out.rglob("run.json")
    return RunStore(header.parent).records()


def same(here: Sequence[Record], there: Sequence[Record], relative: float = 1e-4) -> None:
    """Both have the same rows, and metrics that differ by rounding."""
    assert [record.key for record in here] == [record.key for record in there]
    for one, other in zip(here, there, strict=True):
        for name, value in one.metrics.items():
            expected = None if value is None else pytest.approx(value, rel=relative, abs=1e-6)
            assert other.metrics[name] == expected, (one.row, name)


@pytest.fixture
def both(call: Call, tmp_path: Path) -> tuple[list[Record], list[Record]]:
    """Records of a run with everything in it, on the CPU and on the pretended device."""
    command = ("run", *RUN, *QUICK, "--controls", "--metric", "jerk", "--metric", "penetration")
    assert call(*command, "--device", "cpu", "--out", tmp_path / "cpu") == 0
    with pretended_device():
        assert call(*command, "--out", tmp_path / "lazy") == 0
    return records(tmp_path / "cpu"), records(tmp_path / "lazy")


def test_a_run_with_controls_has_the_cpus_numbers(both: tuple[list[Record], list[Record]]) -> None:
    here, there = both
    same(here, there)
    assert {record.row.source for record in there} >= {"real", "train", "reconstruction", "latents", "generated"}
    assert {record.compute.device for record in there if record.compute} == {"lazy:0"}
    assert {record.compute.device for record in here if record.compute} == {"cpu"}


def test_multimodality_and_a_second_evaluator_free_run(call: Call, pretended: Pretended, tmp_path: Path) -> None:
    assert call("run", "--backbone", "motionlcm", "--replications", "1", "--skip-self-test", "--out", tmp_path) == 0
    (generated, realigned) = (r for r in records(tmp_path) if r.row.source == "generated")
    for record in (generated, realigned):
        assert record.metrics["multimodality"] is not None
        assert record.metrics["multimodality"] > 0


def test_precision_bf16_computes_something_near(call: Call, pretended: Pretended, tmp_path: Path) -> None:
    for precision in ("float32", "bf16"):
        out = tmp_path / precision
        assert call("run", *RUN, *QUICK, "--precision", precision, "--out", out) == 0
    exact, rounded = records(tmp_path / "float32"), records(tmp_path / "bf16")
    fid = [(a.metrics["fid"], b.metrics["fid"]) for a, b in zip(exact, rounded, strict=True)]
    assert any(a != b for a, b in fid)
    assert all(a == pytest.approx(b, rel=0.1) for a, b in fid)
    assert {record.compute.precision for record in rounded if record.compute} == {"bf16"}


def test_nothing_waits_in_loops_and_chunks(call: Call, pretended: Pretended, tmp_path: Path) -> None:
    loops = waits_inside(pretended, (MLDBackbone, "sample"), (MotionLCMBackbone, "sample"))
    with loops as per_loop, waits_inside(pretended, (ChunkedWork, "_one")) as per_chunk:
        assert call("run", *RUN, *QUICK, "--metric", "jerk", "--controls", "--out", tmp_path) == 0
    assert len(per_loop) >= 2
    assert set(per_loop) == {0}
    assert len(per_chunk) > len(per_loop)
    assert set(per_chunk) == {0}


def test_a_replication_copies_embeddings_and_little_else(call: Call, pretended: Pretended, tmp_path: Path) -> None:
    # the first replication sends what stays there: the motions
    command = ("run", "--backbone", "motionlcm", "--skip-self-test", *QUICK, "--chunk", "1024")
    totals = []
    for replications in (2, 3):
        pretended.reset()
        assert call(*command, "--replications", replications, "--out", tmp_path / str(replications)) == 0
        totals.append(pretended.to_host + pretended.to_device)
    samples = records(tmp_path / "3")[0].details.samples
    assert samples is not None
    width, text = 128, 256  # of the shipped evaluator and of WordLlama
    motions = 2 + 1 + 2  # two draws of real ones, reconstruction, plain and realigned
    embeddings = samples * 4 * (text + motions * width)
    assert totals[1] - totals[0] <= 2 * embeddings


def test_latents_are_the_cpus(call: Call, corpus: Path) -> None:
    from leadbench.core.random import NoiseSource
    from leadbench.core.tensors import mask_of
    from leadbench.plugins.manager import load_plugins
    from leadbench.zoo.assets import chosen_compute, model_store
    from leadbench.zoo.embedded import shipped

    captions = ["a person walks forward.", "someone waves."]

    def latents(device: str) -> torch.Tensor:
        plugins = load_plugins()
        models = model_store(shipped().folder, plugins, compute=chosen_compute(device))
        made = []
        for name, steps in (("mld", 5), ("motionlcm", 4)):
            backbone = plugins.backbone(name, models)
            condition = backbone.text_encoder.encode(captions)
            noise = NoiseSource(0, ("a", "b"), device=models.device)
            mask = mask_of([40, 60], models.device)
            guidance = backbone.default_guidance(steps)
            latent = backbone.sample(condition, mask, noise, steps=steps, guidance=guidance)
            made += [latent.values, models.projector().reproject(models.projector().project(latent)).values]
        return torch.cat(made).cpu()

    here = latents("cpu")
    with pretended_device():
        there = latents("lazy")
    assert float((here - there).abs().max() / here.abs().max()) < 1e-5
