"""Ratings of a study as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import ResultsError
from leadbench.results.details import StudyDetails
from leadbench.results.records import Record
from leadbench.results.rows import Row


def ratings_of(records: Sequence[Record], row: Row, part: str) -> NDArray[np.float64]:
    """Ratings [participants, pairs] of a row, pairs by their names.

    Raises:
        ResultsError: participants have rated different pairs.
    """
    held = sorted((record for record in records if record.row == row), key=lambda record: record.replication)
    ratings = [record.details.ratings.get(part, {}) for record in held if isinstance(record.details, StudyDetails)]
    pairs = sorted(ratings[0]) if ratings else []
    if not pairs or any(sorted(each) != pairs for each in ratings):
        raise ResultsError(f"row {row.key}: participants have rated different pairs, or none")
    return np.array([[each[pair] for pair in pairs] for each in ratings], dtype=np.float64)
