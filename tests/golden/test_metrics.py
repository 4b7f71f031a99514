"""Golden case: metric values of text-to-motion, MLD and MotionLCM, their random calls reproduced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_metrics
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.metrics.diversity import diversity, multimodality
from leadbench.metrics.frechet import FeatureStatistics, frechet_distance
from leadbench.metrics.physical import foot_skating
from leadbench.metrics.retrieval import matching_score, r_precision

FLOAT32 = 1e-5  # relative: the recordings accumulate in float32
DOUBLE = 1e-6  # absolute, for values of order 100: the recordings' references take roots of rounding noise


@pytest.fixture(scope="module")
def case(golden: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((golden / "metrics" / "case.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def results(case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = case["results"]
    return found


@pytest.fixture(scope="module")
def io(golden: Path) -> dict[str, Tensor]:
    return load_file(golden / "metrics" / "io.safetensors")


def numpy_stream(seed: int) -> np.random.RandomState:
    """What numpy's global generator gives after ``np.random.seed(seed)``: the recordings' random calls."""
    return np.random.RandomState(seed)


def fid(a: Tensor, b: Tensor) -> float:
    return frechet_distance(FeatureStatistics.from_embeddings(a), FeatureStatistics.from_embeddings(b))


@pytest.mark.parametrize("which", ["gt", "gen"])
def test_r_precision_and_matching_score_in_file_order(
    io: dict[str, Tensor], results: dict[str, Any], which: str
) -> None:
    motion = io[f"{which}_motion"]
    order = torch.arange(len(motion))
    result = r_precision(io["text"], motion, order=order)
    assert result is not None
    assert result.top == pytest.approx(results[f"{which}_R_precision"], abs=1e-12)
    assert result.matching_score == pytest.approx(results[f"{which}_matching_score"], rel=FLOAT32)
    assert torch.equal(result.hits.long(), io[f"{which}_top_k"][: len(result.rows)])
    assert matching_score(io["text"], motion, order=order) == pytest.approx(result.matching_score, rel=1e-15)


def test_texts_are_the_rows(io: dict[str, Tensor], results: dict[str, Any]) -> None:
    swapped = r_precision(io["gen_motion"], io["text"], order=torch.arange(len(io["text"])))
    assert swapped is not None
    assert swapped.top == pytest.approx(results["R_precision_if_roles_swapped_gen"], abs=1e-12)


def test_own_distances_are_the_recorded_diagonal(io: dict[str, Tensor]) -> None:
    result = r_precision(io["text"], io["gen_motion"], order=torch.arange(len(io["text"])))
    assert result is not None
    first = io["dist_first_group"].diagonal().double()
    torch.testing.assert_close(result.distances[: len(first)], first, rtol=FLOAT32, atol=1e-5)


@pytest.mark.parametrize(
    ("block", "seeds", "order"),
    [("TM2TMetrics", "TM2T", "TM2T_shuffle_idx"), ("TM2TMetrics_first_340", "TM2T340", "TM2T_340_shuffle_idx")],
)
def test_shuffled_protocol(io: dict[str, Tensor], results: dict[str, Any], block: str, seeds: str, order: str) -> None:
    """TM2TMetrics: one torch.randperm, then four numpy choices, on the global generators."""
    expected, n = results[block], len(io[order])
    torch.manual_seed(results["seeds"][f"{seeds}_torch"])
    permutation = torch.randperm(n)
    assert torch.equal(permutation, io[order])
    draws = numpy_stream(results["seeds"][f"{seeds}_numpy"])
    pairs = len(io["diversity_first"])
    for prefix, motion in (("", io["gen_motion"][:n]), ("gt_", io["gt_motion"][:n])):
        result = r_precision(io["text"][:n], motion, order=permutation)
        assert result is not None
        for k in range(3):
            assert result.top[k] == pytest.approx(expected[f"{prefix}R_precision_top_{k + 1}"], abs=1e-7)
        assert result.matching_score == pytest.approx(expected[f"{prefix}Matching_score"], rel=FLOAT32)
        # The official index sets point into the shuffled rows.
        first, second = (draws.choice(n, pairs, replace=False) for _ in range(2))
        assert diversity(motion[permutation], first, second) == pytest.approx(
            expected[f"{prefix}Diversity"], rel=FLOAT32
        )
    assert fid(io["gt_motion"][:n], io["gen_motion"][:n]) == pytest.approx(expected["FID"], rel=FLOAT32)


def test_statistics(io: dict[str, Tensor]) -> None:
    for which in ("gt", "gen"):
        statistics = FeatureStatistics.from_embeddings(io[f"{which}_motion"])
        torch.testing.assert_close(statistics.mean.float(), io[f"{which}_mu"], rtol=FLOAT32, atol=1e-5)
        torch.testing.assert_close(statistics.covariance.float(), io[f"{which}_cov"], rtol=FLOAT32, atol=1e-5)


def test_fid(io: dict[str, Tensor], results: dict[str, Any]) -> None:
    value = fid(io["gt_motion"], io["gen_motion"])
    assert value == pytest.approx(results["FID_reference_eig_float64"], abs=DOUBLE)
    assert value == pytest.approx(results["FID"], rel=FLOAT32)
    assert fid(io["gt_motion"], io["gt_motion"]) == pytest.approx(0, abs=DOUBLE)


@pytest.mark.parametrize(
    ("block", "a", "b", "rows"),
    [
        ("random_40x64", "small_gt", "small_gen", None),
        ("with_constant_columns", "flat_gt", "flat_gen", None),
        ("two_samples_each", "small_gt", "small_gen", 2),
    ],
)
def test_rank_deficient_fid(
    io: dict[str, Tensor], results: dict[str, Any], block: str, a: str, b: str, rows: int | None
) -> None:
    """Fewer rows than dimensions: no complex numbers, no epsilon, the same value in both directions."""
    expected = results["rank_deficient_FID"][block]
    gt, gen = io[a][:rows], io[b][:rows]
    value = fid(gt, gen)
    # The recorded references root eigenvalues that are rounding noise instead of 0, hence not closer than this.
    assert value == pytest.approx(expected["reference_eig_float64"], rel=1e-7)
    assert value == pytest.approx(expected["scipy_new"]["FID"], rel=1e-6)
    assert value == pytest.approx(
        reference_metrics.frechet_nuclear(gt.double().numpy(), gen.double().numpy()), rel=1e-7
    )
    assert fid(gen, gt) == pytest.approx(value, rel=1e-9)


def test_diversity(io: dict[str, Tensor], results: dict[str, Any]) -> None:
    n, pairs = len(io["gen_motion"]), len(io["diversity_first"])
    for which, recorded in (("gen", "diversity_gen"), ("gt", "diversity_gt")):
        draws = numpy_stream(results["seeds"][recorded])
        first, second = (draws.choice(n, pairs, replace=False) for _ in range(2))
        if which == "gen":
            assert np.array_equal(first, io["diversity_first"].numpy())
            assert np.array_equal(second, io["diversity_second"].numpy())
        assert diversity(io[f"{which}_motion"], first, second) == pytest.approx(results[recorded], rel=FLOAT32)


def test_multimodality(io: dict[str, Tensor], results: dict[str, Any]) -> None:
    value = multimodality(io["mm_motion"], io["mm_first"], io["mm_second"])
    assert value == pytest.approx(results["multimodality"], rel=FLOAT32)
    assert value == pytest.approx(results["MMMetrics"]["MultiModality"], rel=FLOAT32)


@pytest.mark.parametrize(("dataset", "feet"), [("humanml3d", (10, 11)), ("kit", (15, 20))])
def test_foot_skating(io: dict[str, Tensor], results: dict[str, Any], dataset: str, feet: tuple[int, int]) -> None:
    joints = io[f"skate_{dataset}_joints"]
    ratio, contact_speed = foot_skating(joints, torch.ones(joints.shape[:2], dtype=torch.bool), feet)
    torch.testing.assert_close(ratio, io[f"skate_{dataset}_ratio"], rtol=0, atol=1e-6)
    assert ratio.tolist() == pytest.approx(results[f"skating_ratio_{dataset}"], abs=1e-6)
    torch.testing.assert_close(contact_speed, io[f"skate_{dataset}_vel"], rtol=0, atol=1e-4)
    for row in range(len(joints)):
        assert reference_metrics.skating_ratio(joints[row].numpy(), feet) == pytest.approx(float(ratio[row]), abs=1e-6)
