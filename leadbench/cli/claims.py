"""``leadbench claims``: which of the paper's statements the stored records support."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import complete_formats


def claims(
    results: Annotated[Path, typer.Argument(help="Folder with run folders below it, such as runs or results/bnr.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.", autocompletion=complete_formats)
    ] = "github",
) -> None:
    """Judge every claim of the paper that the records below a folder can tell, on each dataset by itself.

    A claim holds or fails where paired differences are significant after Holm's adjustment, and is inconclusive
    otherwise. Exit status: 0 every measured claim holds, 3 at least one fails, 4 none fails and some are inconclusive.

    Example: leadbench claims results/bnr --format json
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    reports = late("leadbench.report.claims.gather:judge_results")(results)
    typer.echo(late("leadbench.report.claims.render:render_claims")(reports, format))
    status = late("leadbench.report.claims.judge:overall")([judged for report in reports for judged in report.judged])
    raise typer.Exit(status)
