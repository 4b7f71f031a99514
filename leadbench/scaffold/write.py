"""``leadbench plugins new``: a distribution from templates."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from leadbench.core.errors import ConfigError, DataError, unknown_name

KINDS = (
    "backbone",
    "autoencoder",
    "text-encoder",
    "projector",
    "dataset",
    "evaluator",
    "metric",
    "set-metric",
    "task",
    "command",
)
_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*$")


def write_plugin(name: str, kind: str, out: Path) -> Path:
    """Write a plugin's distribution folder ``leadbench-NAME`` under ``out`` and return it.

    Raises:
        ConfigError: the name is not lower-case words joined by hyphens.
        UnknownNameError: no such kind.
        DataError: the folder exists already.
    """
    if not _NAME.match(name):
        raise ConfigError(f"plugins new {name!r}: must be lower-case letters and digits, words joined by hyphens")
    if kind not in KINDS:
        raise unknown_name("kind of plugin", kind, KINDS, where="--kind")
    folder = out / f"leadbench-{name}"
    if folder.exists():
        raise DataError(f"{folder}: exists already; name another plugin or remove it")
    package = f"leadbench_{name.replace('-', '_')}"
    words = {
        "name": name,
        "package": package,
        "kind": kind,
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "column": name.replace("-", "_"),
    }
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{package}/__init__.py": f"{kind}/register.py",
        f"{package}/{kind.replace('-', '_')}.py": f"{kind}/code.py",
        f"tests/test_{package}.py": f"{kind}/test.py",
    }
    for target, template in files.items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    return folder
