"""Hooks of mkdocs: README and CONTRIBUTING are pages, and so are the pages and pictures under results/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside of docs/."""
    from mkdocs.structure.files import File

    for name, source in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for path in sorted((ROOT / "results").rglob("*")):
        if path.suffix in (".md", ".png", ".json") and "cards" not in path.parts:
            where = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, where, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as they are in the repository, to links as they are in the site."""
    if page.file.src_uri in PAGES:
        return markdown.replace("](docs/", "](").replace("](CONTRIBUTING.md", "](contributing.md")
    if page.file.src_uri.startswith("results/"):
        return markdown.replace("](../../docs/", "](../../")
    return markdown.replace("](../results/", "](results/").replace("](../CONTRIBUTING.md", "](contributing.md")
