"""What the player reads."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.skeleton import HUMANML3D
from leadbench.report.pages.scenes import Shown, as_json, scene


def unpacked(figure: dict[str, object]) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(str(figure["data"])), "<i2").reshape(-1, 22, 3)
    return values * np.array(figure["step"]) + np.array(figure["offset"])


def test_packing_keeps_a_tenth_of_a_millimetre() -> None:
    joints = np.random.default_rng(0).normal(scale=1.5, size=(196, 22, 3))
    (figure,) = scene([Shown("a", joints, "walks")], HUMANML3D, 20.0)["figures"]
    assert np.abs(unpacked(figure) - joints).max() < 1e-4
    assert len(base64.b64decode(figure["data"])) == 196 * 22 * 3 * 2 == 25_872
    assert (figure["frames"], figure["caption"]) == (196, "walks")


@pytest.mark.parametrize("constant", [0.0, 3.25, -7.0])
def test_a_body_that_does_not_move(constant: float) -> None:
    joints = np.full((2, 22, 3), constant)
    (figure,) = scene([Shown("a", joints)], HUMANML3D, 20.0)["figures"]
    np.testing.assert_allclose(unpacked(figure), joints, atol=1e-4)


def test_nothing_in_it_ends_a_script_element() -> None:
    content = scene([Shown("</script><script>alert(1)</script>", np.zeros((1, 22, 3)), "a\u2028b")], HUMANML3D, 20.0)
    text = as_json(content)
    assert "<" not in text
    assert json.loads(text) == content


def test_what_cannot_be_shown() -> None:
    with pytest.raises(DataError, match="no motion"):
        scene([], HUMANML3D, 20.0)
    with pytest.raises(DataError, match="'a' has shape"):
        scene([Shown("a", np.zeros((2, 21, 3)))], HUMANML3D, 20.0)
    with pytest.raises(NonFiniteError, match="'a'"):
        scene([Shown("a", np.full((2, 22, 3), np.inf))], HUMANML3D, 20.0)
