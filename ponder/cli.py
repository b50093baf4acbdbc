"""The command line: ``ponder run | sweep | report | serve | list | doctor``."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .limits import parse_budget
from .orchestrator.errors import PonderError, UsageError

if TYPE_CHECKING:
    from .orchestrator.journal_file import Spent
    from .orchestrator.pipeline import Pipeline
    from .orchestrator.registry import Registry
    from .orchestrator.shape import Estimate
    from .orchestrator.types import Candidate, Result
    from .search.outline import Outline
    from .search.record import Record

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console()
err = Console(stderr=True)
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        "-b",
        help="A hard limit, e.g. total_tokens=20k, nfe=400 or compute_seconds=2 for images, seconds=60, cost_usd=0.5; "
        "repeatable.",
    ),
]

HtmlOption = Annotated[Path | None, typer.Option(dir_okay=False, help="The report; beside the journal if not given.")]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from . import __version__

        _say(f"ponder {__version__}")
        raise typer.Exit()


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="Say which ponder this is.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Spend inference compute where it pays: run pipelines, sweep compositions, serve the winner as one model."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of ours is one paragraph on stderr and exit code 1.

    The current folder is searched for modules first, as by ``python -m ponder``.
    """
    if not sys.flags.safe_path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        app(arguments)
    except PonderError as error:
        _refuse(error)
    except ValidationError as error:
        _refuse(UsageError.from_validation(error.title, error))


def _refuse(error: PonderError) -> NoReturn:
    paragraph = " ".join(f"error: {_printable(str(error))}".split())
    err.print(paragraph, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


@app.command()
def run(
    pipeline: Annotated[Path, typer.Argument(help="A pipeline's TOML file.")],
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    budget: BudgetOption = None,
    seed: Annotated[int, typer.Option(help="Chooses the draws.")] = 0,
    journal: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Records every effect; the same run again pays for nothing.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Say what it may cost, and make no call; its engines start, to count tokens.")
    ] = False,
    all_candidates: Annotated[bool, typer.Option("--all", help="Show every candidate and its scores.")] = False,
    image: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Where an image goes, as PNG; NAME.png of the pipeline's file if not given."),
    ] = None,
    watch: Annotated[
        bool | None,
        typer.Option(
            help="Show workers as they write side by side, on standard error; the default on a terminal.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Answer one question with a pipeline, within a million tokens and ten minutes unless a budget says otherwise.

    An image is written to a file; with --all, each to one of its own: NAME-1.png and on, the best first.
    """
    from .image_files import checked_goal, image_places
    from .orchestrator.pipeline_file import load, to_text
    from .orchestrator.run import DEFAULT_BUDGET
    from .orchestrator.run import run as run_pipeline
    from .watching import show_workers

    loaded = load(pipeline)
    asked = sys.stdin.buffer.read().decode(errors="replace") if question == "-" else question
    if not asked.strip():
        raise UsageError("a question must hold text, got none; write it after the pipeline, or pipe it in and write -")
    if dry_run:
        _say(to_text(loaded))
        _show_estimate(loaded, asked)
        return
    limits = parse_budget(budget) or DEFAULT_BUDGET
    goal = checked_goal(loaded, image, pipeline)
    slow = [name for name, engine in loaded.engines.items() if engine.kind == "vllm"]
    if slow and err.is_terminal:
        _aside(f"starting vLLM for {', '.join(slow)}; this takes a while")
    is_watched = err.is_terminal if watch is None else watch
    with show_workers(err, limits) if is_watched else nullcontext() as on_written:
        result = run_pipeline(
            loaded, asked, budget=limits, journal=journal, seed=seed, on_resume=_tell_of_risk, on_written=on_written
        )
    shown = result.candidates[: None if all_candidates else 1]
    for candidate, place in zip(shown, image_places(goal, len(shown)), strict=True):
        _show_answer(candidate, place, is_scored=all_candidates)
    _show_ending(result)
    if not result.candidates:
        raise typer.Exit(1)


@app.command()
def sweep(
    spec: Annotated[Path, typer.Argument(help="A sweep's TOML file.")],
    journal: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where every effect is recorded; runs/NAME.db if not given.")
    ] = None,
    budget: BudgetOption = None,
    local: Annotated[bool, typer.Option("--local", help="Run in this process instead of on Ray.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(help="Say what it may cost, and make no call; its engines start here, to count tokens."),
    ] = False,
    html: HtmlOption = None,
) -> None:
    """Search a space of compositions under one budget. Run the same command again to resume."""
    from .search.outline import outline
    from .search.progress import show_progress
    from .search.run_sweep import run_sweep
    from .search.sweep import Sweep

    loaded = Sweep.load(spec)
    changes = {"budget": parse_budget(budget) or loaded.budget, "where": "local" if local else loaded.where}
    loaded = Sweep.model_validate({**dict(loaded), **changes})
    if dry_run:
        _show_outline(asyncio.run(outline(loaded)))
        return
    place = journal or Path("runs") / f"{loaded.name}.db"
    try:
        with show_progress(err) as observe:
            record, progress = asyncio.run(run_sweep(loaded, place, observe))
    except KeyboardInterrupt:
        _aside("stopped; what was recorded stands: run the same command again to go on")
        raise typer.Exit(130) from None
    if progress.replayed < progress.tasks:
        _tell_of_risk(progress.before)
    if not progress.batches:
        _aside("it was complete, and nothing was paid; a larger --budget goes on from here")
    _show_report(record, place, html)


@app.command()
def report(
    journal: Annotated[Path, typer.Argument(help="A sweep's journal.")],
    name: Annotated[str | None, typer.Option(help="Which sweep, where the journal holds several.")] = None,
    html: HtmlOption = None,
    full: Annotated[bool, typer.Option("--full", help="Show every composition, knob and curve.")] = False,
) -> None:
    """Show what a sweep has found so far, even while it runs."""
    from .search.record import Record

    _show_report(Record.read(journal, name), journal, html, is_full=full)


@app.command()
def serve(
    pipelines: Annotated[list[Path], typer.Argument(help="TOML files of pipelines and frontiers, or folders of them.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    key_file: Annotated[
        Path | None,
        typer.Option(help="API keys, one a line, or tables called keys with their limits; or set PONDER_API_KEYS."),
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where what each key has spent is kept; forgotten if not given.")
    ] = None,
    budget: BudgetOption = None,
    at_once: Annotated[int, typer.Option(min=1, help="Requests that may run at once; as many more may wait.")] = 1024,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A kind of strategy or verifier that requests may bring; once for each."),
    ] = None,
) -> None:
    """Serve pipelines and frontiers as models over the OpenAI API; a request's effort picks a frontier's point."""
    from .orchestrator.budget import Budget
    from .orchestrator.frontier import load_all
    from .orchestrator.server.serve import serve as serve_pipelines

    loaded = load_all(pipelines)
    names = ", ".join(each.name for each in loaded)
    if err.is_terminal:
        err.print(f"starting the engines of {names}", highlight=False)
    serve_pipelines(
        loaded,
        host=host,
        port=port,
        key_file=key_file,
        accounts_file=accounts,
        budget=parse_budget(budget) or Budget(),
        strategies=allow or (),
        most_runs=at_once,
        most_waiting=at_once,
        on_ready=lambda url: _say(f"serving {names} at {url}/v1 (stop with Ctrl-C)"),
    )


@app.command("list")
def list_kinds() -> None:
    """List the strategies, verifiers, answers, engines, denoisers and image models that can be used."""
    from .orchestrator.engines import ENGINES
    from .orchestrator.engines.denoisers import DENOISERS
    from .orchestrator.engines.image_models import IMAGE_MODELS
    from .strategies import STRATEGIES
    from .verifiers import VERIFIERS
    from .verifiers.answers import ANSWERS

    table = _table("what", "kind", "in one sentence")
    for registry in (STRATEGIES, VERIFIERS, ANSWERS, ENGINES, DENOISERS, IMAGE_MODELS):
        for kind in registry.names():
            table.add_row(*map(Text, (registry.noun, kind, _about(registry, kind))))
    out.print(table)


def _about(registry: Registry[Any], kind: str) -> str:
    """The sentence that a kind begins with, or why it cannot be used."""
    try:
        told = registry[kind].__doc__ or ""
    except UsageError as error:
        return _printable(str(error))
    return " ".join(told.strip().partition("\n\n")[0].split())


@app.command()
def doctor() -> None:
    """Say what this machine can do, and the command that adds what is missing."""
    from .orchestrator.doctor import examine

    parts = examine()
    table = _table("part", "for", "found")
    for part in parts:
        table.add_row(*map(Text, (part.name, part.purpose, part.found or "missing")))
    out.print(table)
    for part in parts:
        if not part.found:
            _say(f"to add {part.name}: {part.remedy}")


def _table(*columns: str, figures: Sequence[str] = ()) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in figures:
        table.add_column(column, justify="right")
    return table


def _show_estimate(pipeline: Pipeline, question: str) -> None:
    from .orchestrator.runtime import Runtime
    from .orchestrator.types import Query

    async def ask() -> None:
        async with Runtime(pipeline.engines) as runtime:
            _show_range(await runtime.estimate(pipeline, Query.ask(question)))

    asyncio.run(ask())


def _show_range(estimate: Estimate) -> None:
    from .orchestrator.budget import COUNTED, amounts, unit_of
    from .search.reports.figures import full

    table = _table("dimension", figures=("at least", "at most"))
    for name, low, high in zip(COUNTED, amounts(estimate.least), amounts(estimate.most), strict=True):
        table.add_row(name, full(low / unit_of(name), name), full(high / unit_of(name), name))
    out.print(table)
    _say(f"critical path, in calls for one query: at most {estimate.critical_path:,}")


def _show_outline(found: Outline) -> None:
    for line in found.lines():
        _say(line)
    table = _table("at most", figures=("cheapest query", "dearest query", "all, fresh", "budget"))
    for row in found.costs():
        table.add_row(*map(Text, row))
    out.print(table)


def _tell_of_risk(before: Spent) -> None:
    if before.calls_at_risk:
        _aside(
            f"{before.calls_at_risk} calls were in flight when an earlier run stopped; what is still needed of them is "
            f"sent again, and may have been paid twice ({before.at_risk.total_tokens:,} tokens at most)"
        )


def _tell_of_waste(journal: Path, name: str) -> None:
    """Say what was paid beside the draws that stand, where anything was."""
    from .orchestrator.journal_file import ReadOnlyJournal

    with closing(ReadOnlyJournal(journal)) as reader:
        spent = reader.spent(name)
    told = {"lost with calls that failed": spent.lost, "held for calls in flight": spent.at_risk}
    words = [f"{usage.total_tokens:,} tokens {why}" for why, usage in told.items() if usage.total_tokens]
    if words:
        _aside(f"paid beside the draws that stand: {', '.join(words)}")


def _say(text: str) -> None:
    """Print a line on stdout as it stands: never as markup, never with what a terminal obeys."""
    out.print(_printable(text), markup=False, highlight=False, soft_wrap=True)


def _aside(text: str) -> None:
    err.print(_printable(text), style="dim", markup=False, highlight=False, soft_wrap=True)


def _show_answer(candidate: Candidate, place: Path, *, is_scored: bool) -> None:
    """Print a text; write an image to its file, and say where, and what its scores are."""
    if candidate.image is None:
        _say(candidate.text)
    else:
        candidate.image.save(place)
        _say(f"{place}: {candidate.image.width} x {candidate.image.height} pixels")
    if is_scored or candidate.image is not None:
        _show_scores(candidate)


def _show_scores(candidate: Candidate) -> None:
    """A line for each score: its value, or why there is none."""
    for name, score in candidate.scores.items():
        reason = " ".join(score.detail.split()) or "it gave no reason"
        _say(f"{name}={score.value:.4g}" if score.value is not None else f"{name}: cannot tell: {reason}")


def _show_ending(result: Result) -> None:
    from .orchestrator.budget import COUNTED, amounts, unit_of
    from .search.reports.figures import full, unit

    spent = zip(COUNTED, amounts(result.usage), strict=True)
    used = [f"{full(n / unit_of(name), name)} {unit(name)}" for name, n in spent if n]
    _aside(f"{result.stopped}: {', '.join(used) or 'nothing spent'}")
    if result.best and result.best.finish == "total_length":
        _aside("the answer was cut at the most tokens it may have; raise max_tokens for a whole one")
    if result.reason:
        err.print(_printable(result.reason), style="yellow", markup=False, highlight=False, soft_wrap=True)


def _show_report(record: Record, journal: Path, html: Path | None, *, is_full: bool = False) -> None:
    from .search.reports.outputs import write_outputs
    from .search.reports.report import terminal

    made = write_outputs(record, journal, html)
    terminal(made.report, out, is_full=is_full)
    _say(f"report: {made.html}, and as a table {made.csv}")
    if not record.is_complete:
        _say("next: the sweep has not ended; its command goes on where it stands")
    elif made.frontier.points:
        _say(f"next: ponder serve {shlex.quote(str(made.toml))}")
    _tell_of_waste(journal, record.sweep.name)


def _printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
