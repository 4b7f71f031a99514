"""Tables from records: the layouts of the paper's Tables 1 and 5.

Rows of two protocols, datasets or evaluators never meet in one table.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from tabulate import tabulate

from leadbench.core.errors import ResultsError, unknown_name
from leadbench.metrics.statistics import Estimate, estimate
from leadbench.results.store import Record

REAL = "Real"
RECONSTRUCTION = "Reconstruction"
FORMATS = ("github", "latex", "csv", "json", "plain")


@dataclass(frozen=True)
class Column:
    """A metric's column: sign of better (+1 higher, -1 lower, 0 nearest to Real, None not ranked)."""

    metric: str
    title: str
    better: int | None


COLUMNS = (
    Column("fid", "FID ↓", -1),
    Column("r_precision_1", "R@1 ↑", 1),
    Column("r_precision_2", "R@2 ↑", 1),
    Column("r_precision_3", "R@3 ↑", 1),
    Column("mm_dist", "MM-Dist ↓", -1),
    Column("diversity", "Diversity →", 0),
    Column("multimodality", "MModality ↑", 1),
)


def columns_of(rows: Sequence[TableRow]) -> list[Column]:
    """The paper's columns, then one for every further metric of the rows; those are not ranked."""
    known = {column.metric for column in COLUMNS}
    extra = dict.fromkeys(metric for row in rows for metric in row.estimates if metric not in known)
    return [*COLUMNS, *(Column(metric, metric, None) for metric in extra)]


@dataclass(frozen=True)
class TableRow:
    """One row: a setting's estimates by metric; ``ranked`` rows compete for best and second."""

    name: str
    steps: int | None
    guidance: float | None
    estimates: dict[str, Estimate]
    ranked: bool
    backbone: str | None
    projector: str | None


@dataclass(frozen=True)
class Beside:
    """Rows that are shown below the measured ones of the two layouts; they compete with them only if ``ranked``."""

    by_model: tuple[TableRow, ...] = ()
    by_steps: tuple[TableRow, ...] = ()
    notes: tuple[str, ...] = ()


def columns_named(metrics: Sequence[str]) -> list[Column]:
    """The paper's columns of these metrics, in this order."""
    known = {column.metric: column for column in COLUMNS}
    return [known[metric] for metric in metrics]


def check_format(name: str) -> None:
    """Raise UnknownNameError unless ``name`` is a table format."""
    if name not in FORMATS:
        raise unknown_name("table format", name, FORMATS, where="--format")


def aggregate(records: Sequence[Record]) -> list[TableRow]:
    """Group records into rows: Real, reconstruction, each backbone with its projectors and controls, other controls.

    Backbones and variants keep the order in which they first appear; several processes may have written the records
    in any order of steps.

    Raises:
        ResultsError: no records, records of two protocols, datasets or evaluators, or one replication twice.
    """
    if not records:
        raise ResultsError("no records to make a table of")
    for what in ("dataset", "protocol", "evaluator"):
        values = {getattr(record, what) for record in records}
        if len(values) > 1:
            raise ResultsError(
                f"records of {len(values)} {what}s do not belong in one table: {', '.join(sorted(values))}"
            )
    groups: dict[tuple[str, str | None, int | None, float | None], list[Record]] = {}
    for record in records:
        groups.setdefault((record.row, record.projector, record.steps, record.guidance), []).append(record)
    for group in groups.values():
        (_, count), *_ = Counter((record.seed, record.replication) for record in group).most_common(1)
        if count > 1:
            raise ResultsError(f"row {group[0].row!r}: a replication is recorded {count} times; do not mix runs")
    return _ordered([_row(group) for group in groups.values()])


def render_t2m(records: Sequence[Record], form: str = "github", beside: Beside | None = None) -> str:
    """Table 5 (few-step backbones by steps) and Table 1 (one row a model) of a run, with a caption.

    Table 1 holds each backbone at its fewest steps, as the paper's MotionLCM rows are its 1-step rows. ``beside`` adds
    rows of others, in every format.

    Raises:
        ResultsError: see :func:`aggregate`.
    """
    check_format(form)
    rows = aggregate(records)
    beside = beside or Beside()
    if form == "json":
        others = [_as_json(row) for row in (*beside.by_model, *beside.by_steps)]
        content = {"caption": _caption(records), "rows": [_as_json(row) for row in rows], "published": others}
        return json.dumps(content, indent=2, ensure_ascii=False)
    if form == "csv":
        return _as_csv([*rows, *beside.by_model, *beside.by_steps])
    parts = []
    stepped = _several_steps(rows)
    if stepped:
        chosen = [row for row in rows if row.name == REAL or row.backbone in stepped]
        parts.append(_render("By steps (layout of Table 5)", [*chosen, *beside.by_steps], form, with_steps=True))
    by_model = [*_fewest_steps(rows), *beside.by_model]
    parts.append(_render("By model (layout of Table 1)", by_model, form, with_steps=False))
    parts.append(_latex(" ".join([_caption(records), *beside.notes]), form))
    return "\n\n".join(parts)


def render_rows(title: str, rows: Sequence[TableRow], form: str) -> str:
    """Any rows under a title, with a column of steps where a row has some; csv has no title.

    Raises:
        UnknownNameError: no such format, or ``json``, which the caller makes of its own data.
    """
    if form == "csv":
        return _as_csv(rows)
    if form not in ("github", "latex", "plain"):
        raise unknown_name("table format", form, ("csv", "github", "latex", "plain"), where="--format")
    return _render(title, rows, form, with_steps=any(row.steps is not None for row in rows))


def render_columns(
    title: str, rows: Sequence[TableRow], columns: Sequence[Column], form: str, ranked: Sequence[TableRow]
) -> str:
    """Rows with the given columns only, best and second marked among ``ranked``; no steps, no sweep of guidance."""
    if form == "csv":
        return _as_csv(rows)
    compete = [replace(row, ranked=row.name != REAL and row in ranked) for row in rows]
    marks = _marks(compete, by_steps=False, columns=columns)
    body = [
        [row.name, *(_cell(row.estimates.get(c.metric), marks.get((index, c.metric)), form) for c in columns)]
        for index, row in enumerate(rows)
    ]
    return _layout(title, ["Model", *(column.title for column in columns)], body, form)


def render_grid(title: str, header: Sequence[str], body: Sequence[Sequence[str]], form: str) -> str:
    """Cells of any kind under a header; csv has no title.

    Raises:
        UnknownNameError: no such format, or ``json``, which the caller makes of its own data.
    """
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *body])
        return out.getvalue().rstrip("\n")
    if form not in ("github", "latex", "plain"):
        raise unknown_name("table format", form, ("csv", "github", "latex", "plain"), where="--format")
    return _layout(title, header, body, form)


def _row(group: Sequence[Record]) -> TableRow:
    estimates = {}
    for metric in dict.fromkeys(name for record in group for name in record.metrics):
        values = [value for record in group if (value := record.metrics.get(metric)) is not None]
        if values:
            estimates[metric] = estimate(values)
    first = group[0]
    plain_or_lead = first.backbone is not None and first.row in (first.display, f"LEAD ({first.display})")
    return TableRow(first.row, first.steps, first.guidance, estimates, plain_or_lead, first.backbone, first.projector)


def _ordered(rows: Sequence[TableRow]) -> list[TableRow]:
    """Sort as :func:`aggregate` says; the sort is stable, so variants of one setting stay in their order."""
    backbones = list(dict.fromkeys(row.backbone for row in rows if row.backbone is not None))

    def place(row: TableRow) -> tuple[int, int, int, float]:
        if row.backbone is None:
            group = 0 if row.name == REAL else 1 if row.name.startswith(RECONSTRUCTION) else 3
            return (group, 0, 0, 0.0)
        return (2, backbones.index(row.backbone), row.steps or 0, row.guidance or 0.0)

    return sorted(rows, key=place)


def _several_steps(rows: Sequence[TableRow]) -> set[str]:
    steps: dict[str, set[int]] = {}
    for row in rows:
        if row.backbone is not None and row.steps is not None:
            steps.setdefault(row.backbone, set()).add(row.steps)
    return {name for name, counts in steps.items() if len(counts) > 1}


def _fewest_steps(rows: Sequence[TableRow]) -> list[TableRow]:
    fewest: dict[str, int] = {}
    for row in rows:
        if row.backbone is not None and row.steps is not None:
            fewest[row.backbone] = min(row.steps, fewest.get(row.backbone, row.steps))
    return [row for row in rows if row.backbone is None or row.steps == fewest.get(row.backbone)]


def _render(title: str, rows: Sequence[TableRow], form: str, *, with_steps: bool) -> str:
    marks = _marks(rows, by_steps=with_steps)
    guidances = {row.guidance for row in rows if row.backbone is not None and row.backbone in _swept(rows)}
    twins = Counter((row.name, row.steps, row.guidance) for row in rows)
    columns = columns_of(rows)
    header = [*(["Steps"] if with_steps else []), "Model", *(column.title for column in columns)]
    body = []
    for index, row in enumerate(rows):
        name = f"{row.name}, guidance {row.guidance:g}" if guidances and row.guidance is not None else row.name
        name = f"{name}, {row.projector}" if twins[row.name, row.steps, row.guidance] > 1 else name
        cells = [_cell(row.estimates.get(c.metric), marks.get((index, c.metric)), form) for c in columns]
        body.append([*([_steps(row)] if with_steps else []), name, *cells])
    return _layout(title, header, body, form)


def _layout(title: str, header: Sequence[str], body: Sequence[Sequence[str]], form: str) -> str:
    style = {"github": "github", "latex": "latex_raw", "plain": "simple"}[form]
    head = f"**{title}**\n\n" if form == "github" else f"% {title}\n" if form == "latex" else f"{title}\n"
    cells, titles = [[_latex(c, form) for c in line] for line in body], [_latex(h, form) for h in header]
    # numbers are text already: read again, they would lose their trailing zeros
    texts = [index for index, title in enumerate(header) if title != "Steps"]
    return head + tabulate(cells, titles, style, disable_numparse=texts)


def _steps(row: TableRow) -> str:
    return "" if row.steps is None else str(row.steps)


def _swept(rows: Sequence[TableRow]) -> set[str]:
    """Backbones that have several guidance scales at one number of steps."""
    seen: dict[tuple[str, int | None], set[float | None]] = {}
    for row in rows:
        if row.backbone is not None:
            seen.setdefault((row.backbone, row.steps), set()).add(row.guidance)
    return {backbone for (backbone, _), values in seen.items() if len(values) > 1}


def _marks(
    rows: Sequence[TableRow], *, by_steps: bool, columns: Sequence[Column] = COLUMNS
) -> dict[tuple[int, str], str]:
    """(row, metric) -> "best" or "second" among ranked rows; in Table 5 best only, within each number of steps."""
    real = next((row for row in rows if row.name == REAL), None)
    marks: dict[tuple[int, str], str] = {}
    for column in columns:
        groups: dict[int | None, list[tuple[float, int]]] = {}
        for index, row in enumerate(rows):
            found = row.estimates.get(column.metric)
            if not row.ranked or found is None:
                continue
            if column.better is None:
                continue
            if column.better:
                distance = -column.better * found.mean
            elif real is not None and column.metric in real.estimates:
                distance = abs(found.mean - real.estimates[column.metric].mean)
            else:
                continue
            groups.setdefault(row.steps if by_steps else None, []).append((distance, index))
        for members in groups.values():
            ordered = sorted(members)
            if len(ordered) > 1:
                marks[(ordered[0][1], column.metric)] = "best"
            if len(ordered) > 2:
                marks[(ordered[1][1], column.metric)] = "second"
    return marks


def _cell(found: Estimate | None, mark: str | None, form: str) -> str:
    if found is None:
        return "--" if form == "latex" else "—"
    plus = r"$\pm$" if form == "latex" else "±"
    text = f"{found.mean:.3f}{plus}{found.half_width:.3f}" if found.n > 1 else f"{found.mean:.3f}"
    styles = {
        ("github", "best"): "**{}**",
        ("github", "second"): "<u>{}</u>",
        ("latex", "best"): r"\textbf{{{}}}",
        ("latex", "second"): r"\underline{{{}}}",
    }
    return styles.get((form, mark or ""), "{}").format(text)


_LATEX = (
    ("↓", r"$\downarrow$"),
    ("↑", r"$\uparrow$"),
    ("→", r"$\rightarrow$"),
    ("±", r"$\pm$"),
    ("%", r"\%"),
    ("_", r"\_"),
    ("&", r"\&"),
    ("#", r"\#"),
)


def in_format(text: str, form: str) -> str:
    """Prose as it may stand beside a table of a format: LaTeX's special characters are escaped."""
    return _latex(text, form)


def _latex(cell: str, form: str) -> str:
    if form != "latex":
        return cell
    for plain, escaped in _LATEX:
        cell = cell.replace(plain, escaped)
    return cell


def _caption(records: Sequence[Record]) -> str:
    first = records[0]
    replications = len({record.replication for record in records})
    with_modality = len({r.replication for r in records if r.metrics.get("multimodality") is not None})
    aligned = sorted({record.projector for record in records if record.projector})
    notes = {note for record in records for note in record.details.get("notes", ())}
    stamps = {stamp for record in records for stamp in record.details.get("stamps", ())}
    parts = [
        f"Dataset {first.dataset}, {first.details.get('samples', '?')} test motions; protocol {first.protocol}; "
        f"evaluator {first.evaluator[:12]}; {replications} replications (MultiModality in {with_modality}), "
        "mean ± 95 % interval",
        "ground-truth lengths are given to the models",
        *(["projectors: " + ", ".join(aligned)] if aligned else []),
        *sorted(notes),
        *(f"WARNING: {stamp}" for stamp in sorted(stamps)),
    ]
    return "; ".join(parts) + "."


def _as_json(row: TableRow) -> dict[str, object]:
    metrics = {name: asdict(found) for name, found in row.estimates.items()}
    return {**_setting(row), "metrics": metrics}


def _setting(row: TableRow) -> dict[str, object]:
    return {
        "row": row.name,
        "backbone": row.backbone,
        "projector": row.projector,
        "steps": row.steps,
        "guidance": row.guidance,
    }


def _as_csv(rows: Sequence[TableRow]) -> str:
    """All rows at full precision: mean, half width and replications of each metric; empty where not available."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = columns_of(rows)
    fields = [
        name for column in columns for name in (column.metric, f"{column.metric}_half_width", f"{column.metric}_n")
    ]
    writer.writerow([*_setting(rows[0]), *fields])
    for row in rows:
        cells: list[object] = [*_setting(row).values()]
        for column in columns:
            found = row.estimates.get(column.metric)
            cells += [None] * 3 if found is None else [found.mean, found.half_width, found.n]
        writer.writerow(cells)
    return out.getvalue().rstrip("\n")
