"""Every format of one document: what is marked, what is escaped, and what csv and json keep at full precision."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbench.core.errors import UnknownNameError
from leadbench.metrics.statistics import Estimate
from leadbench.report.tables.engine import FORMATS, Between, Column, Document, Line, Table, in_format, render

COLUMNS = [Column("name", "Name"), Column("fid", "FID ↓", -1), Column("near", "Diversity →", 0), Column("b", "Gain")]
LINES = [
    Line({"name": "Real", "near": Estimate(8.0, 0.1, 3)}, reference=True),
    Line({"name": "a_1", "fid": Estimate(1.23456789, 0.1, 3), "near": 9.5, "b": Between(0.5, 0.25, 0.75)}, ranked=True),
    Line({"name": "b & c", "fid": 2.0, "near": 8.25}, ranked=True),
    Line({"name": "d", "fid": 3.0, "near": 1.0}, ranked=True),
]
DOCUMENT = Document([Table("Sizes", COLUMNS, LINES)], Table("", COLUMNS, LINES), "100 % made up.")


def test_best_and_second_are_marked_by_what_is_better() -> None:
    shown = render(DOCUMENT, "github")
    assert "**1.235±0.100**" in shown
    assert "<u>2.000</u>" in shown
    assert "**8.250**" in shown  # nearest to the reference
    assert "—" in shown


def test_latex_escapes_data_and_not_its_own_marks() -> None:
    shown = render(DOCUMENT, "latex")
    assert r"a\_1" in shown
    assert r"b \& c" in shown
    assert r"\textbf{1.235$\pm$0.100}" in shown
    assert r"100 \% made up." in shown


@given(st.text(max_size=30))
def test_escaped_text_holds_nothing_that_latex_reads(text: str) -> None:
    escaped = in_format(text, "latex")
    left = re.sub(r"\\(textbackslash|textasciicircum|textasciitilde)\{\}|\\[{}$&#%_]|\$\\(\w+)\$", "", escaped)
    assert not set(left) & set("\\{}$&#%_^~")


@given(st.text(max_size=30))
def test_other_formats_leave_text_alone(text: str) -> None:
    assert in_format(text, "plain") == text


def test_csv_and_json_hold_every_digit() -> None:
    rows = list(csv.DictReader(io.StringIO(render(DOCUMENT, "csv"))))
    assert any("1.23456789" in row.values() for row in rows)
    content = json.loads(render(DOCUMENT, "json"))
    assert content["rows"][1]["fid"]["mean"] == 1.23456789
    assert content["rows"][1]["b"] == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert content["caption"] == "100 % made up."


def test_html_escapes_text_marks_the_best_and_keeps_values_to_sort_by() -> None:
    text = render(DOCUMENT, "html")
    assert '<th scope="row">b &amp; c</th>' in text
    assert '<td data-value="1.23456789"><strong>1.235±0.100</strong></td>' in text
    assert '<td data-value="2.0"><u>2.000</u></td>' in text
    assert "<p>100 % made up.</p>" in text
    assert text.count("<tr>") == 1 + len(LINES)


@given(st.text(max_size=30))
def test_no_text_is_markup_in_html(text: str) -> None:
    table = Table(text, [Column("a", text)], [Line({"a": text})])
    rendered = render(Document([table], table, text), "html")
    tags = re.sub(r"</?(?:table|caption|thead|tbody|tr|th|p)(?: scope=\"(?:col|row)\")?>", "", rendered)
    assert not set("<>") & set(tags)


def test_every_format_renders_and_others_are_errors() -> None:
    for form in FORMATS:
        assert render(DOCUMENT, form)
    with pytest.raises(UnknownNameError, match="did you mean 'latex'"):
        render(DOCUMENT, "latx")


def test_a_table_without_lines_has_its_head() -> None:
    empty = Table("Nothing", COLUMNS, [])
    for form in FORMATS:
        assert "FID" in render(Document([empty], empty), form) or form in ("csv", "json")
