"""One engine for all tables: columns, lines and a caption to github, latex, plain, html, csv or json.

A :class:`Document` holds tables as people read them (numbers rounded, best and second marked) and the same data at full
precision for csv and json. What a cell is decides how it is written; nothing is formatted before.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tabulate import tabulate

from leadbench.core.errors import unknown_name
from leadbench.metrics.statistics import Estimate

FORMATS = ("github", "latex", "csv", "json", "plain", "html")
DATA_FORMATS = ("csv", "json")
_STYLES = {"github": "github", "latex": "latex_raw", "plain": "simple"}
MISSING = "—"


@dataclass(frozen=True)
class Between:
    """A value with its 95 % interval; ``signed``: a difference, written with its sign."""

    value: float
    low: float
    high: float
    signed: bool = False


Cell = str | int | float | Estimate | Between | None
"""What stands in a table: text, a number, a mean over replications, a value with its interval; None: not available."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: of the cells.
        title: above them.
        better: +1 where higher is better, -1 lower, 0 nearest to the reference line; None: not ranked.
        digits: of numbers.
        absent: shown where there is no value.
    """

    key: str
    title: str
    better: int | None = None
    digits: int = 3
    absent: str = MISSING


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        cells: by the keys of columns; absent ones are not available.
        ranked: whether it competes for best and second.
        group: lines compete within their group alone.
        reference: whether values should be near to this line's.
    """

    cells: Mapping[str, Cell]
    ranked: bool = False
    group: Hashable = None
    reference: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and lines under a title; ``second`` says whether second-best values are marked too."""

    title: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    second: bool = True


@dataclass(frozen=True)
class Document:
    """What is printed of a run.

    Attributes:
        tables: for people.
        caption: below them.
        data: every row, for csv and json.
        more: further keys of the json.
    """

    tables: Sequence[Table]
    data: Table
    caption: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def check_format(name: str) -> None:
    """Raise UnknownNameError unless ``name`` is a table format."""
    if name not in FORMATS:
        raise unknown_name("table format", name, FORMATS, where="--format")


def render(document: Document, form: str = "github") -> str:
    """A document in a format: github, latex, plain and html show tables and caption; csv and json all data at full
    precision.

    Raises:
        UnknownNameError: no such format.

    >>> table = Table("Sizes", [Column("name", "Name"), Column("size", "Size ↓", -1)],
    ...               [Line({"name": "a", "size": 2.0}, ranked=True), Line({"name": "b", "size": 1.0}, ranked=True)])
    >>> print(render(Document([table], table, "Made up."), "github"))
    **Sizes**
    <BLANKLINE>
    | Name   | Size ↓    |
    |--------|-----------|
    | a      | 2.000     |
    | b      | **1.000** |
    <BLANKLINE>
    Made up.
    """
    check_format(form)
    if form == "csv":
        return _csv(document.data)
    if form == "json":
        rows = [_json_line(line, document.data.columns) for line in document.data.lines]
        content = {**({"caption": document.caption} if document.caption else {}), "rows": rows, **document.more}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    parts = [_layout(table, form) for table in document.tables]
    if document.caption:
        parts.append(in_format(document.caption, form))
    return "\n\n".join(parts)


def _layout(table: Table, form: str) -> str:
    marks = _marks(table)
    if form == "html":
        return _html(table, marks)
    body = [
        [_written(line.cells.get(c.key), c, marks.get((number, c.key)), form) for c in table.columns]
        for number, line in enumerate(table.lines)
    ]
    titles = [in_format(column.title, form) for column in table.columns]
    head = {"github": "**{}**\n\n", "latex": "% {}\n", "plain": "{}\n"}[form].format(table.title) if table.title else ""
    whole = [_whole_numbers(table, column) for column in table.columns]
    # numbers are text already: read again, they would lose their trailing zeros; whole ones are only aligned
    texts = [index for index, numeric in enumerate(whole) if not numeric]
    return head + tabulate(body, titles, _STYLES[form], disable_numparse=texts if body else True)


def _html(table: Table, marks: Mapping[tuple[int, str], str]) -> str:
    """A table element; numbers carry their value in ``data-value``, by which a page may sort."""
    lines = ["<table>"]
    if table.title:
        lines.append(f"<caption>{html.escape(table.title)}</caption>")
    lines.append("<thead><tr>")
    lines += [f'<th scope="col">{html.escape(column.title)}</th>' for column in table.columns]
    lines.append("</tr></thead>")
    lines.append("<tbody>")
    for number, line in enumerate(table.lines):
        cells = []
        for place, column in enumerate(table.columns):
            cell = line.cells.get(column.key)
            value = _value(cell)
            sortable = "" if value is None else f' data-value="{value!r}"'
            mark = marks.get((number, column.key))
            text = html.escape(_written(cell, column, None, "html"))
            inner = {"best": f"<strong>{text}</strong>", "second": f"<u>{text}</u>"}.get(mark or "", text)
            cells.append(f'<th scope="row">{inner}</th>' if place == 0 else f"<td{sortable}>{inner}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(lines)


def _whole_numbers(table: Table, column: Column) -> bool:
    cells = [line.cells.get(column.key) for line in table.lines]
    return any(isinstance(cell, int) for cell in cells) and all(cell is None or isinstance(cell, int) for cell in cells)


def _written(cell: Cell, column: Column, mark: str | None, form: str) -> str:
    if cell is None:
        return "--" if form == "latex" and column.absent == MISSING else column.absent
    if isinstance(cell, str):
        return cell if form == "html" else in_format(cell, form)
    if isinstance(cell, int):
        return str(cell)
    digits = column.digits
    if isinstance(cell, Estimate):
        text = f"{cell.mean:.{digits}f}" + (f"±{cell.half_width:.{digits}f}" if cell.n > 1 else "")
    elif isinstance(cell, Between):
        sign = "+" if cell.signed else ""
        text = f"{cell.value:{sign}.{digits}f} [{cell.low:{sign}.{digits}f}, {cell.high:{sign}.{digits}f}]"
    else:
        text = f"{cell:.{digits}f}"
    if form != "html":  # escaped by the table
        text = in_format(text, form)
    if form == "latex":  # a hyphen is no minus sign
        text = re.sub(r"(?<![\w$])([+-])(?=\d)", r"$\1$", text)
    return _STYLED.get((form, mark or ""), "{}").format(text)


_STYLED = {
    ("github", "best"): "**{}**",
    ("github", "second"): "<u>{}</u>",
    ("latex", "best"): r"\textbf{{{}}}",
    ("latex", "second"): r"\underline{{{}}}",
}


def _marks(table: Table) -> dict[tuple[int, str], str]:
    """(line, column) -> "best" or "second" among the ranked lines of a group."""
    marks: dict[tuple[int, str], str] = {}
    for column in table.columns:
        for members in _distances(table, column).values():
            ordered = sorted(members)
            if len(ordered) > 1:
                marks[ordered[0][1], column.key] = "best"
            if len(ordered) > 2 and table.second:
                marks[ordered[1][1], column.key] = "second"
    return marks


def _distances(table: Table, column: Column) -> dict[Hashable, list[tuple[float, int]]]:
    """Group -> (distance from the best imaginable, number) of the ranked lines that have a value."""
    groups: dict[Hashable, list[tuple[float, int]]] = {}
    if column.better is None:
        return groups
    target = next((_value(line.cells.get(column.key)) for line in table.lines if line.reference), None)
    for number, line in enumerate(table.lines):
        value = _value(line.cells.get(column.key))
        if not line.ranked or value is None or (column.better == 0 and target is None):
            continue
        distance = -column.better * value if column.better else abs(value - (target or 0.0))
        groups.setdefault(line.group, []).append((distance, number))
    return groups


def _value(cell: Cell) -> float | None:
    if isinstance(cell, Estimate):
        return cell.mean
    if isinstance(cell, Between):
        return cell.value
    return float(cell) if isinstance(cell, int | float) else None


def _csv(table: Table) -> str:
    """A value with an interval or over replications takes three columns; what is not available is empty."""
    wide = {column.key: _parts(table, column) for column in table.columns}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name for names in wide.values() for name in names])
    for line in table.lines:
        cells: list[object] = []
        for column in table.columns:
            cell = line.cells.get(column.key)
            if isinstance(cell, Estimate):
                cells += [cell.mean, cell.half_width, cell.n]
            elif isinstance(cell, Between):
                cells += [cell.value, cell.low, cell.high]
            else:
                cells += [cell, *[None] * (len(wide[column.key]) - 1)]
        writer.writerow(cells)
    return out.getvalue().rstrip("\n")


def _parts(table: Table, column: Column) -> tuple[str, ...]:
    cells = [line.cells.get(column.key) for line in table.lines]
    if any(isinstance(cell, Estimate) for cell in cells):
        return column.key, f"{column.key}_half_width", f"{column.key}_n"
    if any(isinstance(cell, Between) for cell in cells):
        return column.key, f"{column.key}_low", f"{column.key}_high"
    return (column.key,)


def _json_line(line: Line, columns: Sequence[Column]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in columns:
        cell = line.cells.get(column.key)
        if isinstance(cell, Between):
            found[column.key] = {"value": cell.value, "low": cell.low, "high": cell.high}
        else:
            found[column.key] = asdict(cell) if isinstance(cell, Estimate) else cell
    return found


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "—": "---",
}
_SPECIAL = re.compile("|".join(map(re.escape, _LATEX)))


def in_format(text: str, form: str) -> str:
    """Text as it may stand in a format: LaTeX's special characters, and arrows, are escaped, HTML becomes a paragraph.

    >>> in_format("R@1 ↑, 95 % of a_b", "latex")
    'R@1 $\\\\uparrow$, 95 \\\\% of a\\\\_b'
    """
    if form == "html":
        return f"<p>{html.escape(text)}</p>"
    return text if form != "latex" else _SPECIAL.sub(lambda found: _LATEX[found[0]], text)
