"""Values of presets from the command line and from files: validated, named, and a printed preset changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError
from leadbench.core.overrides import override, preset_toml
from leadbench.core.presets import PRESETS, get_preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_printed_preset_given_back_changes_nothing(name: str, tmp_path: Path) -> None:
    preset = get_preset(name)
    file = tmp_path / "preset.toml"
    file.write_text(preset_toml(preset), encoding="utf-8")
    again = override(preset, "projector", (), file)
    assert again.model_dump(exclude={"overrides"}) == preset.model_dump(exclude={"overrides"})


def test_assignments_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[projector]\nalign_weight = 1.0\n[projector.loop]\nsteps = 9\n", encoding="utf-8-sig")
    changed = override(get_preset("tiny"), "projector", ["loop.steps=7"], file)
    assert (changed.projector.align_weight, changed.projector.loop.steps) == (1.0, 7)
    assert changed.overrides["projector.loop.steps"] == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("loop.stepz=1", "did you mean"),
        ("nothing.at.all=1", "nothing"),
        ("loop.steps=many", "loop.steps"),
        ("loop.steps=-3", "loop.steps"),
        ("loop.steps", "="),
        ("name=other", "name"),
    ],
)
def test_what_does_not_fit_is_one_line(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        override(get_preset("tiny"), "projector", [given])
    assert "\n" not in str(caught.value)
