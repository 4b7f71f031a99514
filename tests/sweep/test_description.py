from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError
from leadbench.sweep.description import read_sweep

TEXT = """
seeds = [0, 1]
[datasets.bnr]
root = "data"
[[train]]
stage = "autoencoder"
[[task]]
command = "run"
options = { backbone = "mld" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(TEXT)
    return path


def test_values_are_changed_by_key_and_by_position(file: Path) -> None:
    sweep = read_sweep(file, ["seeds=[3]", "datasets.bnr.root=elsewhere", "task.0.options.backbone=motionlcm"])
    assert sweep.seeds == (3,)
    assert sweep.datasets["bnr"].root == Path("elsewhere")
    assert sweep.task[0].options == {"backbone": "motionlcm"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [0", "not TOML"),
        ("[datasets]", "at least one, such as"),
        ("[datasets.a]", "nothing to do"),
        (TEXT + "part = 2", r"task\.0: unknown key 'part' \(allowed: .*did you mean 'parts'"),
        (TEXT.replace("seeds", "seed"), r"unknown key 'seed' .*did you mean 'seeds'"),
        (TEXT.replace("root", "rot"), r"datasets\.bnr: unknown key 'rot' .*did you mean 'root'"),
        (TEXT.replace('"autoencoder"', '"autoencodr"'), r"train\.0\.stage: Input should be 'autoencoder'"),
        (TEXT.replace("[0, 1]", "[0, 0]"), "seeds: at least one, each once"),
        (TEXT.replace("[0, 1]", "[-1]"), r"seeds\.0: Input should be greater than or equal to 0"),
        (TEXT.replace("datasets.bnr", 'datasets."a/b"'), "cannot be a file's name"),
        (TEXT + "parts = 0", r"task\.0\.parts"),
        (TEXT.replace('{ backbone = "mld" }', "{ a = { b = 1 } }"), r"task\.0\.options\.a"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        read_sweep(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seeds", "must be KEY=VALUE"),
        ("seeds.a.b=1", "a is none of the 2 entries"),
        ("task.7.parts=2", "7 is none of the 1 entries"),
        ("task=2", "task: Input should be a valid"),
        ("task.0=2", "needs a key of one of the 1 entries"),
        ("datasets.bnr.root.x=2", "root is a value, not a table"),
    ],
)
def test_changes_that_fit_nothing_are_refused(file: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_sweep(file, [change])


def test_a_byte_order_mark_does_no_harm(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_sweep(file).seeds == (0, 1)
