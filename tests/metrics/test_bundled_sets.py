"""Metrics of sets as plugins give them: what they are called, and where they are not available."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leadbench.core.contracts import MotionSets
from leadbench.core.tensors import Condition, full_mask
from leadbench.metrics.bundled_sets import (
    AlikeGallery,
    ApartGallery,
    CaptionOptions,
    Extrapolation,
    ExtrapolationOptions,
    Gallery,
    NearestNeighbours,
    Pools,
    kid,
    memorisation,
)
from leadbench.metrics.distributions import kernel_distance
from leadbench.metrics.functional import r_precision


class OneHot:
    """Captions that are a number: the same number, the same vector."""

    name, dim = "one-hot", 8

    def encode(self, captions: tuple[str, ...]) -> Condition:
        tokens = torch.eye(8)[[int(caption) % 8 for caption in captions]][:, None]
        return Condition(tokens, full_mask(len(captions), 1), self.name)

    def null(self, batch: int) -> Condition:
        return self.encode(("0",) * batch)


def sets(count: int, train: Callable[[], Tensor] | None = None, captions: tuple[str, ...] | None = None) -> MotionSets:
    generator = torch.Generator().manual_seed(count)
    real, made, text = (torch.randn(count, 4, generator=generator) for _ in range(3))
    order = torch.randperm(count, generator=generator)
    names = captions or tuple(map(str, range(count)))
    return MotionSets(real, made, text, names, train or (lambda: real), order, 0)


def test_kid_in_thousandths_and_none_of_two_motions() -> None:
    given = sets(40)
    expected = kernel_distance(given.real, given.generated, paired=True)
    assert kid(given) == {"kid": 1000 * expected.value, "kid_error": 1000 * expected.error}
    assert kid(sets(2)) == {"kid": None, "kid_error": None}


def test_memorisation_of_copies_of_the_train_split() -> None:
    given = sets(30, train=lambda: torch.cat([sets(30).generated, torch.zeros(5, 4)]))
    found = memorisation(given)
    assert found["train_distance"] == pytest.approx(0, abs=1e-3)
    assert found["near_train"] == 1
    far = memorisation(sets(30, train=lambda: torch.full((5, 4), 100.0)))
    assert far["train_distance"] > 150  # type: ignore[operator]


def test_neighbours_need_more_rows_than_they_are() -> None:
    assert set(NearestNeighbours(5)(sets(5)).values()) == {None}
    assert all(value is not None for value in NearestNeighbours(5)(sets(6)).values())
    assert Extrapolation(ExtrapolationOptions())(sets(4)) == {"fid_infinity": None}


def test_a_gallery_of_motions_at_their_captions_places_is_perfect() -> None:
    given = sets(50)
    found = Gallery()(MotionSets(given.real, given.text, given.text, given.captions, given.train, given.order, 0))
    assert {key: found[key] for key in ("all_t2m_r1", "all_m2t_r10", "all_t2m_median")} == {
        "all_t2m_r1": 1, "all_m2t_r10": 1, "all_t2m_median": 1
    }  # fmt: skip


def test_motions_of_alike_captions_are_no_misses() -> None:
    given = sets(32, captions=tuple(str(n % 8) for n in range(32)))
    swapped = torch.arange(32).roll(8)  # each caption meets the motion of another one that says the same
    exchanged = MotionSets(given.real, given.text[swapped], given.text, given.captions, given.train, given.order, 0)
    strict = Gallery()(exchanged)
    alike = AlikeGallery(options=CaptionOptions(), encoder=OneHot())(exchanged)
    assert strict["all_t2m_r1"] == 0
    assert alike["alike_t2m_r1"] == 1
    assert alike["alike_captions"] == 3
    apart = ApartGallery(options=CaptionOptions(dissimilar=8), encoder=OneHot())(given)
    assert set(apart) == {key.replace("alike", "apart") for key in alike if key != "alike_captions"}


def test_pools_by_size() -> None:
    given = sets(100)
    found = Pools(CaptionOptions(), OneHot())(given)
    assert set(found) == {f"pool_{size}{end}" for size in (32, 64, 128, 256, "all") for end in ("", "_alike")}
    assert found["pool_128"] is None
    assert found["pool_256_alike"] is None
    expected = r_precision(given.text, given.generated, order=given.order)[0]
    assert found["pool_32"] == pytest.approx(expected)
    assert found["pool_32_alike"] >= found["pool_32"] >= found["pool_all"]  # type: ignore[operator]
    assert Pools(CaptionOptions(), OneHot())(sets(64))["pool_all"] == pytest.approx(
        Pools(CaptionOptions(), OneHot())(sets(64))["pool_64"]
    )
