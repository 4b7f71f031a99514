"""Templates and scripts of pages, which travel inside the package; a page is one file that asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from leadbench.core.files import write_text_atomic
from leadbench.report.pages.scenes import as_json


@cache
def _environment() -> Environment:
    loader = PackageLoader("leadbench.report", "web")
    made = Environment(loader=loader, autoescape=select_autoescape(default=True), undefined=StrictUndefined)
    made.filters["script_json"] = as_json
    made.filters["script_text"] = _as_text
    made.globals["shipped"] = _shipped
    return made


@cache
def _shipped(name: str) -> Markup:
    """A script or style sheet of ours, as it is."""
    text = (files("leadbench.report") / "web" / name).read_text(encoding="utf-8")
    return Markup(text.replace("</script", "<\\/script"))


def _as_text(text: str) -> Markup:
    """Text for a script element: nothing in it can end the element."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))


def write_page(template: str, content: Mapping[str, Any], path: Path) -> Path:
    """Render a template into a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, _environment().get_template(template).render(content))
    return path


def write_player(
    title: str, scenes: Sequence[Mapping[str, Any]], path: Path, *, about: Mapping[str, str] | None = None
) -> Path:
    """A page of motions that play.

    Args:
        title: of the page.
        scenes: dictionaries of ``title`` (text above a player) and ``content`` (:func:`scene`).
        about: what made the motions, shown below them.
    """
    content = {"title": title, "scenes": list(scenes), "about": dict(about or {})}
    return write_page("motions.html.j2", content, path)
