"""From folders of results to a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup

from leadbench.core.errors import ResultsError
from leadbench.core.reading import read_json_object
from leadbench.plugins.manager import Plugins
from leadbench.report.claims.gather import Judgement, judge_results
from leadbench.report.claims.render import counts, evidence_table
from leadbench.report.pages.charts import Chart
from leadbench.report.pages.page import write_page
from leadbench.report.published import render_published
from leadbench.report.tables.diagnostics import has_diagnostics, render_diagnostics
from leadbench.report.tables.engine import Column, Document, Line, Table, render
from leadbench.results.records import Run
from leadbench.results.store import RECORDS, RunStore, run_folders
from leadbench.tasks.report.plots import plots, training_curves
from leadbench.tasks.stored import published_tables, render_run

_PACKAGES = ("leadbench", "torch", "numpy")
_COPIES = ("github", "latex", "csv")
_FORM_NAMES = {"github": "Markdown", "latex": "LaTeX", "csv": "CSV"}
_TITLES = {
    "t2m": "Text-to-motion",
    "mti": "Motion textual inversion",
    "styles": "Words of unseen styles",
    "structure": "Structure of the latent space",
    "latency": "Latency",
    "score": "Scores of motions",
    "audit": "What the evaluator notices",
    "study": "User study",
}


@dataclass(frozen=True, eq=False)
class Section:
    """A run on the page.

    Attributes:
        anchor: in addresses.
        title, facts, warnings: about the run.
        tables: as HTML.
        copies: the same in the formats that are copied.
        published: the paper's tables of the same layout, as HTML.
        charts: plots of it.
    """

    anchor: str
    title: str
    facts: Mapping[str, str]
    warnings: Sequence[str]
    tables: Markup
    copies: Mapping[str, str]
    published: Markup
    charts: Sequence[Chart]


def write_report(
    folders: Sequence[Path],
    path: Path,
    *,
    title: str = "Results",
    plugins: Plugins | None = None,
    scenes: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write a report of every run below some folders: one file, which needs no network.

    Args:
        folders: that hold runs; training cards below them (``cards/*.json``) are shown too.
        path: of the page; written whole or not at all.
        title: of the page.
        plugins: where tasks of plugins are looked up.
        scenes: motions to play: ``title``, ``text`` and ``content`` of each.

    Raises:
        ResultsError: a folder holds no run, or one that cannot be read.
    """
    runs = [run for folder in folders for run in _runs(folder)]
    sections = [_section(number, run, plugins) for number, run in enumerate(runs)]
    judgements = _judgements(folders)
    cards = _cards(folders)
    curves = training_curves(cards)
    contents = [("claims", "Claims")] if judgements else []
    contents += [(section.anchor, section.title) for section in sections]
    contents += [("motions", "Motions")] if scenes else []
    contents += [("trainings", "Trainings")] if cards else []
    return write_page(
        "report.html.j2",
        {
            "title": title,
            "made": f"Made by leadbench report on {date.today().isoformat()} from {len(runs)} runs.",
            "contents": contents,
            "judgements": judgements,
            "runs": sections,
            "form_names": _FORM_NAMES,
            "trainings": {"table": _cards_table(cards), "charts": curves} if cards else None,
            "scenes": scenes,
        },
        path,
    )


def _runs(folder: Path) -> list[Run]:
    found = [RunStore(place).load() for place in run_folders(folder, RECORDS)]
    if not found:
        raise ResultsError(f"{folder}: no run with records below it (leadbench run writes them)")
    return [run for run in found if run.records]


def _section(number: int, run: Run, plugins: Plugins | None) -> Section:
    first = run.records[0]
    html = render_run(run, "html", plugins=plugins)
    if has_diagnostics(run):
        html += f"\n<h3>Latent norm and foot skating</h3>\n{render_diagnostics(run, 'html')}"
    published = "\n".join(render_published(table, "html") for table in published_tables(run))
    warnings = list(dict.fromkeys(warning for record in run.records for warning in record.details.warnings))
    if run.missing:
        warnings.append(f"Not finished: {len(run.missing)} of {len(run.planned)} records are missing.")
    return Section(
        anchor=f"run-{number + 1}",
        title=f"{_TITLES.get(run.task, run.task)}, {first.dataset}" + (f" ({_models(run)})" if _models(run) else ""),
        facts=_facts(run),
        warnings=warnings,
        tables=Markup(html),
        copies={form: render_run(run, form, plugins=plugins) for form in _COPIES},
        published=Markup(published),
        charts=plots(run),
    )


def _models(run: Run) -> str:
    backbones = dict.fromkeys(record.row.backbone for record in run.records if record.row.backbone)
    return ", ".join(run.names.get(name, name) for name in backbones if name is not None)


def _facts(run: Run) -> dict[str, str]:
    """What was run, on what, and what makes it the same run again."""
    first, provenance = run.records[0], run.provenance
    hardware, compute = provenance.get("hardware") or {}, provenance.get("compute") or {}
    replications = len({record.replication for record in run.records})
    machine = ", ".join(str(hardware[key]) for key in ("cpu", "gpu") if hardware.get(key))
    packages = provenance.get("packages") or {}
    facts = {
        "Run": run.folder.name,
        "Dataset": f"{first.dataset}{_short(run.identity.get('dataset'))}",
        "Protocol": first.protocol,
        "Evaluator": first.evaluator[:12],
        "Replications": str(replications),
        "Revision": str(provenance.get("revision") or "unknown"),
        "Machine": " ".join([machine or "unknown", f"({compute['device']})" if compute.get("device") else ""]).strip(),
        "Versions": ", ".join(f"{name} {packages[name]}" for name in _PACKAGES if name in packages),
        "Weights": ", ".join(f"{k} {str(v)[:8]}" for k, v in dict(run.identity.get("weights") or {}).items()),
        "Settings": _settings(run.identity.get("config")),
        "Render again": f"leadbench tables {run.folder.name}",
    }
    return {name: value for name, value in facts.items() if value}


def _short(dataset: object) -> str:
    found = dataset.get("identity") if isinstance(dataset, Mapping) else None
    return f" (content {str(found)[:8]})" if found else ""


def _settings(config: object) -> str:
    if not isinstance(config, Mapping):
        return ""
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(config.items()) if name != "protocol")


def _judgements(folders: Sequence[Path]) -> list[dict[str, Any]]:
    try:
        judged = judge_results(*folders)
    except ResultsError:  # no run in the paper's settings: nothing to judge
        return []
    return [_judgement(judgement) for judgement in judged if any(item.findings for item in judgement.judged)]


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "dataset": judgement.dataset,
        "counts": counts(judgement.judged),
        "claims": [
            {
                "name": item.claim.name,
                "statement": item.claim.statement,
                "source": item.claim.source,
                "note": item.claim.note,
                "verdict": item.verdict,
                "trainings": item.trainings,
                "evidence": Markup(evidence_table(item, judgement.names, "html")),
            }
            for item in judgement.judged
            if item.findings
        ],
    }


def _cards(folders: Sequence[Path]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("cards/**/*.json")):
            found[f"{path.stem} ({folder.name})" if path.stem in found else path.stem] = read_json_object(path)
    return found


def _cards_table(cards: Mapping[str, Mapping[str, Any]]) -> Markup:
    names = ("model", "stage", "parameters", "steps", "seed", "minutes", "revision")
    columns = [Column(name, name.capitalize(), digits=1) for name in names]
    lines = []
    for name, card in cards.items():
        metrics, provenance = card.get("metrics") or {}, card.get("provenance") or {}
        loop = (card.get("config") or {}).get("loop") or {}
        seconds = provenance.get("training_seconds")
        cells = {
            "model": name,
            "stage": str(card.get("stage", "")),
            "parameters": metrics.get("parameters"),
            "steps": loop.get("steps"),
            "seed": loop.get("seed"),
            "minutes": None if seconds is None else float(seconds) / 60,
            "revision": str(provenance.get("revision") or "unknown"),
        }
        lines.append(Line(cells))
    table = Table("", columns, lines)
    return Markup(render(Document([table], table), "html"))
