"""Any stored run as its table: which benchmark wrote the records is told by their protocol and rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from leadbench.core.errors import ResultsError
from leadbench.report.published import published_beside
from leadbench.report.tables.t2m import check_format, render_t2m
from leadbench.results.store import Record
from leadbench.tasks.latency.table import render_latency
from leadbench.tasks.mti.table import render_inversion
from leadbench.tasks.structure.table import render_structure
from leadbench.tasks.t2m.ablation_table import is_ablation, render_ablation

_BY_PROTOCOL: Mapping[str, Callable[[Sequence[Record], str], str]] = {
    "latency": render_latency,
    "mti": render_inversion,
    "styles": render_inversion,
    "structure": render_structure,
}


def published_tables(records: Sequence[Record]) -> tuple[int, ...]:
    """The paper's tables in the layout of a run: 3 and 4, 6, or 1 and 5; none where they stand beside it anyway."""
    if records[0].protocol == "mti":
        return (3, 4)
    if records[0].protocol in _BY_PROTOCOL:
        return ()
    if is_ablation(records):
        return (6,)
    return () if published_beside(records[0].dataset).by_model else (1, 5)


def render_run(records: Sequence[Record], form: str = "github", *, rank_published: bool = False) -> str:
    """The tables of a run; on HumanML3D and KIT-ML the paper's rows stand below the measured ones.

    Raises:
        ResultsError: there are no records.
        UnknownNameError: no such format.
    """
    check_format(form)
    if not records:
        raise ResultsError("no records to make a table of")
    render = _BY_PROTOCOL.get(records[0].protocol)
    if render is not None:
        return render(records, form)
    if is_ablation(records):
        return render_ablation(records, form)
    return render_t2m(records, form, published_beside(records[0].dataset, ranked=rank_published))
