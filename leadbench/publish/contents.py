"""What is published of a folder: models with their cards, or stored runs; and the page that explains it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

from leadbench.core.errors import ConfigError, ResultsError
from leadbench.core.provenance import sha256_file
from leadbench.core.reading import read_text
from leadbench.results.store import load_runs, run_folders
from leadbench.results.verify import verify_results
from leadbench.tasks.stored import render_run
from leadbench.zoo.files import ModelCard, card_path, load_model

MANIFEST = "leadbench.json"
"""Lists what was published with its hashes; it is written last and read first."""

PAGE = "README.md"
MODELS, RESULTS = "models", "results"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Publication:
    """What is to be published.

    Attributes:
        kind: ``models`` or ``results``.
        files: by relative name.
        page: Markdown with what the Hugging Face hub reads at its head.
        license: identifier of the licence.
    """

    kind: str
    files: Mapping[str, Path]
    page: str
    license: str

    def manifest(self) -> str:
        """Kind, licence, and size and SHA-256 of every file, as JSON."""
        page = self.page.encode()
        listed = {PAGE: {"bytes": len(page), "sha256": hashlib.sha256(page).hexdigest()}}
        for name, path in self.files.items():
            listed[name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        content = {"kind": self.kind, "license": self.license, "leadbench": version("leadbench"), "files": listed}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"


def publication(folder: Path, license: str, url: str) -> Publication:
    """Gather what a folder holds, after looking at all of it.

    Args:
        folder: of models, or with stored runs below it.
        license: identifier, such as ``cc-by-nc-4.0``.
        url: where it will lie.

    Raises:
        ConfigError: it holds neither, or the licence is no identifier.
        WeightsError: a model is damaged.
        ResultsError: a run is not as it was written.
    """
    if not _LICENSE.fullmatch(license):
        raise ConfigError(f"--license {license}: must be an identifier, such as apache-2.0, cc-by-4.0 or cc-by-nc-4.0")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    if run_folders(folder):
        return _results(folder, license, url)
    cards = {path: load_model(path)[1] for path in sorted(folder.glob("*.safetensors")) if card_path(path).is_file()}
    if not cards:
        raise ConfigError(
            f"{folder}: holds neither models with their cards nor stored runs, so there is nothing to push"
        )
    files = {found.name: found for path in cards for found in (path, card_path(path))}
    head = _head(license, ["text-to-motion", "human-motion", "leadbench"], library="leadbench")
    return Publication(MODELS, files, head + _models_page(cards, url), license)


def _results(folder: Path, license: str, url: str) -> Publication:
    wrong = [found for found in verify_results(folder) if found.problem]
    if wrong:
        raise ResultsError(f"{wrong[0].problem} ({len(wrong)} of the runs in {folder} are not as they were written)")
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if (
            path.is_file()
            and not any(part.startswith(".") for part in name.parts)
            and str(name) not in (PAGE, MANIFEST)
        ):
            files[name.as_posix()] = path
    own = folder / PAGE
    text = read_text(own) if own.is_file() else _results_page(folder, url)
    head = _head(license, ["text-to-motion", "benchmark-results", "leadbench"])
    return Publication(RESULTS, files, head + text, license)


def _head(license: str, tags: list[str], library: str | None = None) -> str:
    """What the hub reads of a page: YAML between two lines of hyphens."""
    lines = ["---", f"license: {license}", "tags:", *(f"- {tag}" for tag in tags)]
    return "\n".join([*lines, *([f"library_name: {library}"] if library else []), "---", "", ""])


def _models_page(cards: Mapping[Path, ModelCard], url: str) -> str:
    """Each model by what its card says."""
    rows = []
    for path, card in cards.items():
        seconds = card.provenance.get("training_seconds")
        rows.append(
            {
                "file": path.name,
                "stage": " ".join(filter(None, (card.stage, card.kind, card.variant))),
                "text encoder": card.text_encoder or "",
                "preset": card.preset + ("" if not card.overrides else " with changes"),
                "seed": "" if card.seed is None else card.seed,
                "parameters": f"{card.metrics.get('parameters', 0):,}",
                "validation score": card.metrics.get("best_score", ""),
                "trained for": "" if seconds is None else f"{seconds / 60:.0f} min",
            }
        )
    datasets = sorted({card.links["dataset"] for card in cards.values() if "dataset" in card.links})
    spaces = sorted({card.latent[:12] for card in cards.values() if card.latent})
    return "\n".join(
        [
            "# Text-to-motion models of leadbench",
            "",
            f"Trained on {', '.join(datasets) or 'a dataset that their cards do not name'}; latent space "
            f"{', '.join(spaces) or 'none'}.",
            "",
            tabulate(rows, headers="keys", tablefmt="github"),
            "",
            "Scores are the losses that weights were selected by, lower is better; they compare within a stage alone. "
            "Every file has its card beside it (`.json`): configuration, data, code and what it belongs to.",
            "",
            "    pip install leadbench",
            f"    leadbench run --dataset DATASET --models {url} --backbone mld,motionlcm",
            f"    leadbench pull {url} models",
            "",
        ]
    )


def _results_page(folder: Path, url: str) -> str:
    """The tables of all runs."""
    parts = ["# Results of leadbench", "", f"    leadbench tables {url}/RUN", f"    leadbench pull {url} runs", ""]
    for run in load_runs(folder):
        name = run.folder.relative_to(folder).as_posix()
        parts += [f"## {run.task}: {name}", "", render_run(run, "github"), ""]
    return "\n".join(parts)
