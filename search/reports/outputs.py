"""What a sweep leaves beside its journal: the report as a page and as a table, and the frontier that can be served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...orchestrator.errors import UsageError
from ...orchestrator.frontier import SUFFIX, Frontier
from ..record import Record
from .findings import report as report_of
from .report import Report, csv, html
from .report_frontier import to_frontier


@dataclass(frozen=True, slots=True)
class Outputs:
    """A sweep's report and frontier, and the files that hold them."""

    report: Report
    frontier: Frontier
    html: Path
    csv: Path
    toml: Path


def write_outputs(record: Record, journal: Path, page: Path | None = None) -> Outputs:
    """Write the report and the frontier of a sweep beside its journal, under the journal's name.

    Args:
        record: of the sweep.
        journal: its file.
        page: where the report goes, if elsewhere.

    Raises:
        UsageError: a file cannot be written.
    """
    made = report_of(record)
    frontier = to_frontier(made, record.sweep.name, record.sweep.engines)
    stem = journal.with_suffix("") if journal.suffix == ".db" else journal
    beside = [stem.with_name(stem.name + suffix) for suffix in (".html", ".csv", SUFFIX)]
    files = Outputs(made, frontier, page or beside[0], *beside[1:])
    try:
        for place in (files.html, files.csv):
            place.parent.mkdir(parents=True, exist_ok=True)
        files.html.write_text(html(made), encoding="utf-8")
        files.csv.write_text(csv(made), encoding="utf-8")
        frontier.save(files.toml)
    except OSError as error:
        raise UsageError(
            f"the report must be written to {error.filename or files.html}, but: {error.strerror}; everything measured "
            "stands in the journal; name another place with --html or --journal, or free some room"
        ) from None
    return files
