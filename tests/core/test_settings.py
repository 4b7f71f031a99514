from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError
from leadbench.core.settings import load_settings


def _write(folder: Path, text: str) -> Path:
    path = folder / "leadbench.toml"
    path.write_text(text)
    return path


def test_the_environment_overrides_the_file_and_every_value_knows_its_source(tmp_path: Path) -> None:
    path = _write(tmp_path, 'glove = "deps/glove"\n[datasets.humanml3d]\nroot = "data/H"\nmodels = "/abs/models"\n')
    environ = {"LEADBENCH_DATASETS__HUMANML3D__ROOT": "elsewhere", "OTHER": "1"}
    resolved = load_settings(environ, tmp_path)
    dataset = resolved.settings.datasets["humanml3d"]
    assert resolved.settings.glove == tmp_path / "deps" / "glove"
    assert dataset.root == Path("elsewhere")
    assert dataset.models == Path("/abs/models")
    rows = {key: (value, source) for key, value, source in resolved.rows()}
    assert rows["datasets.humanml3d.root"] == ("elsewhere", "environment LEADBENCH_DATASETS__HUMANML3D__ROOT")
    assert rows["glove"][1] == str(path)
    assert rows["encoders.t5"] == ("sentence-transformers/sentence-t5-large", "default")


def test_checkpoints_of_backbones_with_hyphens(tmp_path: Path) -> None:
    environ = {"LEADBENCH_DATASETS__HUMANML3D__CHECKPOINTS__MOTIONLCM_V2": "v2.ckpt"}
    checkpoints = load_settings(environ, tmp_path).settings.datasets["humanml3d"].checkpoints
    assert checkpoints == {"motionlcm-v2": Path("v2.ckpt")}


def test_an_encoder_is_a_folder_beside_the_file_or_a_hub_name(tmp_path: Path) -> None:
    (tmp_path / "deps" / "t5").mkdir(parents=True)
    _write(tmp_path, '[encoders]\nt5 = "deps/t5"\nclip = "openai/clip-vit-large-patch14"\n')
    encoders = load_settings({}, tmp_path).settings.encoders
    assert encoders.t5 == str(tmp_path / "deps" / "t5")
    assert encoders.clip == "openai/clip-vit-large-patch14"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[datasets.kit]\nrot = 'x'\n", r"leadbench.toml: unknown key 'datasets.kit.rot' .*did you mean 'root'"),
        ("glov = 'x'\n", r"unknown key 'glov' .*did you mean 'glove'"),
        ("[self_test]\nfid = -1\n", r"self_test.fid: Input should be greater than 0"),
        ("glove = \n", "not TOML"),
    ],
)
def test_errors_name_file_key_and_nearest(tmp_path: Path, text: str, message: str) -> None:
    _write(tmp_path, text)
    with pytest.raises(ConfigError, match=message):
        load_settings({}, tmp_path)


def test_an_unknown_variable_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"environment LEADBENCH_GLOV: unknown key 'glov'"):
        load_settings({"LEADBENCH_GLOV": "x"}, tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        load_settings({"LEADBENCH_CONFIG": str(tmp_path / "none.toml")}, tmp_path)
    assert load_settings({"LEADBENCH_GOLDEN": "x"}, tmp_path).sources == {}
