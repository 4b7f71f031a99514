"""Tensors that a configuration is read off."""

from __future__ import annotations

import pytest
import torch

from leadbench.core.errors import WeightsError
from leadbench.zoo.shapes import require_tensors

NEEDED = {"a": (2,), "b": (1, 2), "c?": (1,)}


@pytest.mark.parametrize("more", [{}, {"c": torch.ones(3)}, {"other": "anything"}])
def test_what_fits(more: dict[str, object]) -> None:
    require_tensors({"a": torch.ones(2, 2), "b": torch.ones(2), **more}, NEEDED, "file")


def test_everything_that_does_not_is_listed() -> None:
    found = {"a": torch.ones(2), "b": [1.0], "c": torch.ones(0)}
    with pytest.raises(WeightsError) as caught:
        require_tensors(found, NEEDED, "file x", "vae.")
    assert str(caught.value) == (
        "file x: vae.a is [2], needs 2 axes; vae.b is list, no tensor; vae.c is [0], needs 1 axes"
    )
    with pytest.raises(WeightsError, match=r"missing a; missing b$"):
        require_tensors({}, NEEDED, "file")
