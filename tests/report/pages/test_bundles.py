"""The bundled scripts are those that the sources in ``web/`` make."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "web"
SHIPPED = files("leadbench.report") / "web"


def test_bundles_are_made_of_the_sources() -> None:
    if not WEB.is_dir():
        pytest.skip("no sources of the pages' scripts here: an installed package")
    names = ["build.mjs", "package-lock.json", *sorted(f"src/{path.name}" for path in (WEB / "src").iterdir())]
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    noted = (SHIPPED / "sources.sha256").read_text().strip()
    assert noted == digest.hexdigest(), "run: cd web && npm ci && npm run build"


@pytest.mark.parametrize("package", ["three", "vega", "vega-lite", "d3-scale"])
def test_licences_travel_with_the_bundles(package: str) -> None:
    assert f"\n{package} " in f"\n{(SHIPPED / 'LICENSES.txt').read_text(encoding='utf-8')}"


def test_nothing_in_them_ends_a_script_element() -> None:
    for name in ("player.js", "report.js"):
        text = (SHIPPED / name).read_text(encoding="utf-8")
        assert "<!--" not in text
        assert len(text) > 100_000
