from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import typer

from leadbench.cli.main import main
from leadbench.core.contracts import GeneratedMotions
from leadbench.core.errors import PluginError, UnknownNameError
from leadbench.core.tensors import Latent
from leadbench.plugins.manager import load_plugins

GOOD = """
from leadbench.plugins.hookspecs import BackboneRegistration, hookimpl

@hookimpl
def leadbench_backbones():
    return [BackboneRegistration("mine", "my backbone", "nowhere.at_all:load", display="Mine")]
"""


def _plugin(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    return path


def test_bundled_parts_come_through_the_hooks() -> None:
    plugins = load_plugins(strict=True)
    assert {"mld", "motionlcm"} <= set(plugins.names("backbone"))
    assert {"minilm", "wordllama"} <= set(plugins.names("text_encoder"))


def test_a_file_is_a_plugin(tmp_path: Path) -> None:
    plugins = load_plugins([_plugin(tmp_path, "good", GOOD)])
    assert "mine" in plugins.names("backbone")
    with pytest.raises(PluginError, match=r"'good'.*leadbench_backbones.*'mine'.*nowhere"):
        plugins.create("backbone", "mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('boom')", "boom"),
        (GOOD.replace("leadbench_backbones", "leadbench_backbone"), "did you mean 'leadbench_backbones'"),
        (GOOD.replace('"mine"', '"mld"'), "already registered by plugin"),
        (GOOD.replace("return [", "return [1, "), "returned int"),
    ],
)
def test_a_broken_plugin_is_listed_and_harms_nobody(tmp_path: Path, text: str, message: str) -> None:
    path = _plugin(tmp_path, "broken", text)
    plugins = load_plugins([path])
    (info,) = [info for info in plugins.infos if info.name == "broken"]
    assert message in (info.error or "")
    assert "mld" in plugins.names("backbone")
    with pytest.raises(PluginError, match="broken"):
        load_plugins([path], strict=True)


def test_unknown_names_tell_the_nearest_and_what_failed(tmp_path: Path) -> None:
    plugins = load_plugins([_plugin(tmp_path, "broken", "import does_not_exist")])
    with pytest.raises(UnknownNameError, match=r"--backbone: unknown backbone 'motionlmc'.*'motionlcm'.*broken"):
        plugins.get("backbone", "motionlmc", where="--backbone")


def test_missing_packages_are_named(tmp_path: Path) -> None:
    text = GOOD.replace('display="Mine"', 'display="Mine", requires=("no_such_package",)')
    plugins = load_plugins([_plugin(tmp_path, "needy", text)])
    with pytest.raises(PluginError, match="no_such_package"):
        plugins.get("backbone", "mine")


def test_loading_plugins_does_not_import_torch() -> None:
    code = (
        "import sys\nfrom leadbench.plugins.manager import load_plugins\n"
        "load_plugins(strict=True); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


COMMAND = """
import typer
from leadbench.plugins.hookspecs import Registration, hookimpl

def make():
    group = typer.Typer()

    @group.command()
    def hello():
        typer.echo("hello from a plugin")

    @group.command()
    def other():
        pass

    return group

@hookimpl
def leadbench_commands():
    return [Registration("NAME", "says hello", make)]
"""


class Entry:
    """Stands for an installed distribution's entry point."""

    def __init__(self, path: Path, distribution: str = "stranger") -> None:
        self.name, self.value, self._path = path.stem, f"{distribution.replace('-', '_')}.{path.stem}", path
        self.dist = SimpleNamespace(name=distribution)

    def load(self) -> object:
        spec = importlib.util.spec_from_file_location(self.name, self._path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def _call(monkeypatch: pytest.MonkeyPatch, path: Path, *arguments: str) -> int:
    monkeypatch.setattr("leadbench.plugins.manager.entry_points", lambda group: [Entry(path)])
    monkeypatch.setattr("leadbench.plugins.manager.EntryPoint", Entry)
    monkeypatch.setattr("leadbench.cli.main.app", typer.Typer())
    monkeypatch.setattr(sys, "argv", ["leadbench", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_plugin_brings_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _plugin(tmp_path, "greeter", COMMAND.replace("NAME", "greet"))
    assert _call(monkeypatch, path, "greet", "hello") == 0
    assert "hello from a plugin" in capsys.readouterr().out


def test_a_plugin_cannot_take_the_name_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _plugin(tmp_path, "thief", COMMAND.replace("NAME", "run"))
    assert _call(monkeypatch, path, "nothing") == 2
    assert "'run' is one of leadbench itself" in capsys.readouterr().err


@pytest.mark.parametrize(("distribution", "bundled"), [("leadbench-mine", False), ("leadbench", True)])
def test_what_is_bundled_tells_the_distribution(
    distribution: str, bundled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers' packages are called leadbench_SOMETHING too; what their parts hold is part of a run."""
    text = (
        "from leadbench import Registration, hookimpl\n@hookimpl\ndef leadbench_metrics():\n"
        "    return [Registration('mine', '', lambda context: lambda motions: motions.joints)]\n"
    )
    path = _plugin(tmp_path, "mine", text)
    monkeypatch.setattr("leadbench.plugins.manager.entry_points", lambda group: [Entry(path, distribution)])
    monkeypatch.setattr("leadbench.plugins.manager.EntryPoint", Entry)
    plugins = load_plugins(strict=True)
    assert plugins.bundled("metric", "mine") == bundled
    plugins.metric("mine")
    assert ("content" in plugins.made["metric", "mine"]) != bundled


def test_bundled_metrics_are_found_by_name() -> None:
    plugins = load_plugins(strict=True)
    assert {"skating-ratio", "penetration", "floating", "jerk"} <= set(plugins.names("metric"))
    metric = plugins.create("metric", "penetration")
    joints = torch.full((2, 6, 22, 3), -0.03)
    mask = torch.ones(2, 6, dtype=torch.bool)
    motions = GeneratedMotions(joints, mask, "humanml3d", 20.0, Latent.full(torch.zeros(2, 1, 4)))
    assert metric(motions).tolist() == pytest.approx([0.03, 0.03])  # type: ignore[operator]
