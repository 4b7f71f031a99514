"""``leadbench config show``, ``zoo inspect`` and ``zoo import`` as a user sees them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from official_layouts import write_dataset, write_glove

from leadbench.cli.main import main
from leadbench.zoo.assets import Choice, open_assets


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_config_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "leadbench.toml").write_text('[datasets.kit]\nroot = "KIT-ML"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADBENCH_ENCODERS__CLIP", "deps/clip")
    assert call(monkeypatch, "config", "show") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert str(tmp_path / "KIT-ML") in lines["datasets.kit.root"]
    assert lines["datasets.kit.root"].endswith("leadbench.toml")
    assert lines["encoders.clip"].endswith("environment LEADBENCH_ENCODERS__CLIP")
    assert lines["encoders.t5"].endswith("default")
    assert call(monkeypatch, "config", "show", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"key": "encoders.clip", "value": "deps/clip", "source": "environment LEADBENCH_ENCODERS__CLIP"} in rows


def test_a_wrong_key_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "leadbench.toml").write_text('[datasets.kit]\nroots = "KIT-ML"\n')
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "config", "show") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "unknown key 'datasets.kit.roots'" in error
    assert "did you mean 'root'" in error


def test_inspect_and_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    glove, root = write_glove(tmp_path / "glove"), write_dataset(tmp_path / "H")
    assert call(monkeypatch, "zoo", "inspect", glove) == 0
    assert "import with  --as glove" in capsys.readouterr().out
    assert call(monkeypatch, "zoo", "import", glove, "--root", root) == 0
    assert (root / "models" / "glove.safetensors").is_file()
    assert call(monkeypatch, "zoo", "inspect", root / "models" / "glove.safetensors") == 0
    assert "leadbench model, stage glove, preset official" in capsys.readouterr().out
    for path in (tmp_path / "nothing.ckpt", tmp_path):
        assert call(monkeypatch, "zoo", "inspect", path) == 2
        assert call(monkeypatch, "zoo", "import", path, "--root", root) == 2
    assert capsys.readouterr().err.count("\n") == 4


def test_a_dataset_of_a_plugin_is_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets come through the hook, ``--root`` says where they lie."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from leadbench.data.humanml3d import HumanML3DFolder\n"
        "from leadbench.plugins.hookspecs import Registration, hookimpl\n"
        "class Mine(HumanML3DFolder):\n"
        "    def __init__(self, context):\n"
        "        super().__init__(context.path)\n"
        "        self.name = 'mine'\n"
        "@hookimpl\n"
        "def leadbench_datasets():\n"
        "    return [Registration('mine', 'x', Mine)]\n"
    )
    root = write_dataset(tmp_path / "H")
    assert open_assets(Choice("mine", root=root, plugins=(plugin,))).dataset.name == "mine"


def test_names_that_nobody_knows_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_dataset(tmp_path / "HumanML3D", tests=4, trains=4)
    common = ("run", "--dataset", "humanml3d", "--root", root, "--backbone", "mld", "--out", tmp_path / "runs")
    assert call(monkeypatch, *common, "--checkpoint", f"mdl={tmp_path / 'x.ckpt'}") == 2
    assert "--checkpoint: unknown backbone 'mdl'" in (message := capsys.readouterr().err)
    assert "did you mean 'mld'?" in message
    assert call(monkeypatch, *common, "--evaluator", tmp_path / "nowhere") == 2
    assert "nowhere: no folder here, and no evaluator's name" in capsys.readouterr().err
    assert call(monkeypatch, *common) == 2
    message = capsys.readouterr().err
    assert "'diffusion-minilm' is not trained yet (run: leadbench train diffusion --text-encoder minilm" in message
    assert "--checkpoint mld=FILE, or once: leadbench zoo import FILE" in message
