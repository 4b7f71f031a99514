from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leadbench.errors import PluginError, UnknownNameError
from leadbench.plugins import load_plugins

GOOD = """
from leadbench.hookspecs import BackboneRegistration, hookimpl

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
        plugins.create("backbone", "mine", None)


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
        "import sys\nfrom leadbench.plugins import load_plugins\n"
        "load_plugins(strict=True); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
