"""The two protocols against a plain restatement of what the official loops do with one replication."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import FakeEvaluator
from folders import write_folder
from reference_metrics import frechet_nuclear

from leadbench.core.config import T2MConfig
from leadbench.core.random import stream
from leadbench.data.humanml3d import HumanML3DFolder, draw
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.tasks.shared.scoring import SECOND_DRAW, make_reference, score

TESTED = 37
POOL = 8
KEPT = 32  # the last pool of 5 is incomplete


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> HumanML3DFolder:
    ids = {"train": ["t0"], "val": ["v0"], "test": [f"s{i:02}" for i in range(TESTED)]}
    return HumanML3DFolder(write_folder(tmp_path_factory.mktemp("data") / "walks", ids))


def _embed(dataset: HumanML3DFolder, number: int) -> np.ndarray:
    """Embeddings of a draw, one motion at a time."""
    rows = []
    for item in draw(dataset.load("test")[0], 0, number):
        normal = (item.features - dataset.motion.mean) / dataset.motion.std
        rows.append(normal[:, : FakeEvaluator.dim].mean(dim=0).numpy())
    return np.stack(rows).astype(np.float64)


def _measured(dataset: HumanML3DFolder, protocol: str, generated: torch.Tensor | None) -> dict[str, float | None]:
    config = T2MConfig(protocol=protocol, pool=POOL)  # type: ignore[arg-type]
    evaluator = FakeEvaluator(dataset.motion)
    reference = make_reference(evaluator, dataset.load("test")[0], config, 3, ChunkedWork(16))
    if generated is None:
        return score(reference.as_real, reference.motion, config)
    return score(reference, generated, config)


def _kept(number: int, protocol: str) -> np.ndarray:
    order = stream(0, "pools", number).permutation(TESTED)
    return np.sort(order[:KEPT]) if protocol == "guo-2022" else np.arange(TESTED)


@pytest.mark.parametrize("protocol", ["guo-2022", "mld"])
def test_what_generated_motions_are_compared_with(dataset: HumanML3DFolder, protocol: str) -> None:
    generated = torch.randn(TESTED, FakeEvaluator.dim, generator=torch.Generator().manual_seed(0))
    other = 3 + SECOND_DRAW if protocol == "guo-2022" else 3
    real = _embed(dataset, other)[_kept(other, protocol)]
    mine = generated.double().numpy()[_kept(3, protocol)]
    found = _measured(dataset, protocol, generated)
    assert found["fid"] == pytest.approx(frechet_nuclear(real, mine), rel=1e-4)
    pairs = stream(0, "diversity", 3)
    count = len(mine) // 3
    first, second = (pairs.choice(len(mine), count, replace=False) for _ in range(2))
    assert found["diversity"] == pytest.approx(np.linalg.norm(mine[first] - mine[second], axis=1).mean(), rel=1e-6)


def test_the_real_row_is_measured_against_another_draw(dataset: HumanML3DFolder) -> None:
    for protocol in ("guo-2022", "mld"):
        first, second = (_embed(dataset, n)[_kept(n, protocol)] for n in (3, 3 + SECOND_DRAW))
        found = _measured(dataset, protocol, None)
        assert found["fid"] == pytest.approx(frechet_nuclear(second, first), rel=1e-3, abs=1e-6)
        assert found["fid"] > 0  # type: ignore[operator]


def test_retrieval_is_the_same_in_both(dataset: HumanML3DFolder) -> None:
    generated = torch.randn(TESTED, FakeEvaluator.dim, generator=torch.Generator().manual_seed(0))
    found = [_measured(dataset, protocol, generated) for protocol in ("guo-2022", "mld")]
    for name in ("r_precision_1", "r_precision_2", "r_precision_3", "mm_dist"):
        assert found[0][name] == found[1][name] is not None
    assert found[0]["fid"] != found[1]["fid"]
