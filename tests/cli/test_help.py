"""The command line: help, its page, what may be imported for it, quiet and verbose, doctor."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from leadbench.cli import options
from leadbench.cli.console import VOLUME
from leadbench.cli.main import app, main
from leadbench.doctor.machine import examine
from leadbench.plugins.manager import PluginInfo, load_plugins

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _usual_volume() -> Iterator[None]:
    yield
    VOLUME.quiet = VOLUME.verbose = False


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def _docs() -> Any:
    spec = importlib.util.spec_from_file_location("cli_docs", ROOT / "scripts" / "cli_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert committed == _docs().document(), "run: python scripts/cli_docs.py"


def test_every_command_has_an_example() -> None:
    for name, command in _docs().commands(typer.main.get_command(app), "leadbench"):
        if not isinstance(command, TyperGroup):
            assert "Example: leadbench" in (command.help or ""), name


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom leadbench.cli.main import main\nsys.argv = ['leadbench', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'scipy', 'transformers', 'sentence_transformers', 'matplotlib', 'diffusers'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_verbose_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "published", "9") == 2
    assert "Traceback" not in capsys.readouterr().err
    assert call(monkeypatch, "--verbose", "published", "9") == 2
    assert "Traceback" in capsys.readouterr().err


def test_quiet_says_nothing_beside_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    synthesize = ("data", "synthesize", "--clips", "6", "--workers", "1", "--out")
    assert call(monkeypatch, *synthesize, str(tmp_path / "loud")) == 0
    assert "synthesize: 6/6" in capsys.readouterr().err
    assert call(monkeypatch, "--quiet", *synthesize, str(tmp_path / "quiet")) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("complete", "typed", "offered"),
    [
        (options.complete_backbones, "motionl", ["motionlcm", "motionlcm-v2"]),
        (options.complete_backbones, "mld,motionl", ["mld,motionlcm", "mld,motionlcm-v2"]),
        (options.complete_metrics, "sk", ["skating-ratio"]),
        (options.complete_formats, "l", ["latex"]),
        (options.complete_presets, "mi", ["micro"]),
        (options.complete_presets, "x", []),
    ],
)
def test_completion(complete: Callable[[str], list[str]], typed: str, offered: list[str]) -> None:
    assert complete(typed) == offered


def test_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setenv("LEADBENCH_CACHE", str(tmp_path))
    entries = {entry.what: entry for entry in examine(load_plugins())}
    assert entries["encoder wordllama"].found.endswith("can be used offline")
    assert entries["cache"].found == str(tmp_path)
    assert not any(entry.wrong for entry in entries.values())
    broken = load_plugins()
    broken.infos.append(PluginInfo("bad", "bad.py", error="ImportError: no module"))
    assert any(entry.fix and "bad" in entry.what for entry in examine(broken))
    assert call(monkeypatch, "doctor") == 0
    assert "models micro" in capsys.readouterr().out
