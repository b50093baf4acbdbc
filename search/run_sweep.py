"""Running a sweep: the journal and the host are opened, and what is left of the search is done."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ..orchestrator.canonical import canonical_json
from ..orchestrator.data.sources import check_references
from ..orchestrator.journal import Journal, Store
from ..orchestrator.journal_file import JournalFile
from ..orchestrator.runtime import Host, Runtime
from .record import LATEST, Latest, Record
from .searching import Observer, Progress, Searching
from .split import split
from .sweep import Sweep


async def run_sweep(
    sweep: Sweep, journal: str | Path, observe: Observer = lambda progress: None
) -> tuple[Record, Progress]:
    """Search what is left of a sweep, recording everything in `journal`.

    Raises:
        UsageError: the sweep cannot work as written, or its budget cannot pay for one task.
        JournalError: the journal holds another sweep of this name, or cannot be written.
    """
    parts = split(check_references(sweep.data.load()), sweep.confirmation)
    sweep.checker.check()
    file = JournalFile(journal)
    try:
        run = file.open_run(sweep.name, sweep.header())
        before, results = file.spent(run), file.results(run)
    except BaseException:
        file.close()
        raise
    progress = Progress(budget=sweep.budget, before=before, by=sweep.by)

    def searching(host: Host, store: Store) -> Searching:
        return Searching(
            sweep,
            parts,
            host,
            Journal(store, run),
            results=results,
            path=Path(journal),
            progress=progress,
            observe=observe,
        )

    latest = Latest.of(sweep, parts)
    if latest.row("complete") in results:
        with closing(file):
            await Journal(file, run).finish(LATEST, canonical_json(latest))
    elif sweep.where == "local":
        with closing(file):
            async with Runtime(sweep.engines, store=file, run=run, seed=sweep.seed) as runtime:
                await searching(runtime, file).run()
    else:
        file.close()
        from ..orchestrator.cluster import Cluster

        async with Cluster(
            sweep.engines, journal=journal, run=run, seed=sweep.seed, replicas=sweep.replicas, runners=sweep.runners
        ) as cluster:
            assert cluster.store is not None
            await searching(cluster, cluster.store).run()
    return Record.read(journal, sweep.name), progress
