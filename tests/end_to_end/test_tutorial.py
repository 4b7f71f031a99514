"""The tutorial's commands and code, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leadbench.zoo.embedded import shipped

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "write-a-plugin.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"```(console|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def command(line: str, site: Path) -> list[str]:
    """The tutorial's words as this test can run them: its own interpreter, and a folder instead of site-packages."""
    words = line.replace("SHIPPED", str(shipped().folder)).split()
    if words[0] == "leadbench":
        return [sys.executable, "-m", "leadbench.cli.main", *words[1:]]
    if words[0] == "pip":
        rest = [word for word in words[1:] if word != "-e"]
        return [sys.executable, "-m", "pip", *rest, "--quiet", "--target", str(site)]
    return words


def test_the_tutorial_runs(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building distributions needs hatchling")
    site = tmp_path / "site"
    path = os.pathsep.join(map(str, (site, ROOT, ROOT / "plugins")))
    environment = {**os.environ, "PYTHONPATH": path, "LEADBENCH_CACHE": str(tmp_path / "cache")}
    printed = ""
    for language, text in blocks():
        if language == "python":
            commands = [[sys.executable, "-c", text]]
        else:
            commands = [command(line[2:], site) for line in text.splitlines() if line.startswith("$ ")]
        for words in commands:
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
    assert "backbone:mine" in printed
    assert "FAIL" not in printed
    assert re.search(r"\| +(\d+) \| Mine|\| Mine +\|", printed)
    assert "LEAD (Mine)" in printed
    assert "Affine (Mine)" in printed
    assert "latent_norm" in printed


def test_the_python_page_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| LEAD (MotionLCM)" in done.stdout


def test_the_measures_on_arrays_run(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "KernelDistance(value=" in done.stdout


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## From Python")[2].partition("\n## ")[0]
    code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    assert "import leadbench" in code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| LEAD (MotionLCM)" in done.stdout


def test_every_command_in_the_documents_exists() -> None:
    """Each line that begins with leadbench is one that the command line can parse, its options included."""
    import typer

    from leadbench.cli.main import app

    root = typer.main.get_command(app)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    found = [
        (match[1], re.findall(r"(?<= )--[a-z-]+", line.partition("#")[0]))
        for line in lines
        if (match := re.match(r"(?:    |\$ )leadbench ((?:[a-z0-9-]+ ?)+)", line))
    ]
    assert len(found) > 40
    options_seen = 0
    for words, options in found:
        command, context = root, typer.Context(root)
        for word in words.split():
            if not hasattr(command, "get_command"):
                break
            below = command.get_command(context, word)
            assert below is not None, f"leadbench {words}: no command {word!r}"
            command = below
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for option in options:
            options_seen += 1
            assert option in {*known, "--help", "--quiet", "--verbose", "--version"}, f"leadbench {words}: no {option}"
    assert options_seen > 100
