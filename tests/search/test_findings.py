"""From evidence to a report and to pipelines that can be served."""

import asyncio
from dataclasses import replace
from io import StringIO

from rich.console import Console
from sweeping import TABLE, sweep_of, swept

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.pipeline_file import load
from ponder.orchestrator.run import arun
from ponder.orchestrator.runtime import Done
from ponder.orchestrator.types import Candidate, Finish, Query, Result, Usage
from ponder.search.arms import arms
from ponder.search.findings import report, save_frontier
from ponder.search.report import html, terminal
from ponder.search.sweep import Judge
from ponder.strategies import Sample


def test_the_frontier_is_saved_as_pipelines_that_run(tmp_path) -> None:
    evidence, _ = swept(sweep_of(), tmp_path / "s.db")
    made = report(evidence)
    saved = save_frontier(evidence, made, tmp_path / "s")
    assert [path.name for path in saved] == [f"small-{i}.toml" for i in range(1, len(made.best) + 1)]
    for path, point in zip(saved, made.best, strict=True):
        pipeline = load(path)
        assert pipeline.nodes[0].strategy.model_dump(mode="json") == point.composition
        assert set(pipeline.engines) == set(pipeline.engine_names())
        assert asyncio.run(arun(pipeline, evidence.queries[0])).text


def test_only_what_an_earlier_frontier_wrote_is_replaced(tmp_path) -> None:
    evidence, _ = swept(sweep_of(), tmp_path / "s.db")
    (folder := tmp_path / "s").mkdir()
    mine, old = folder / "mine.toml", folder / "small-99.toml"
    mine.write_text("mine"), old.write_text("old"), (folder / "small-best.toml").write_text("kept")
    save_frontier(evidence, report(evidence), folder)
    assert mine.read_text() == "mine"
    assert (folder / "small-best.toml").exists()
    assert not old.exists()


def test_every_point_has_a_name_of_its_own(tmp_path) -> None:
    strategy = {"kind": "best_of_n", "n": 2, "max_tokens": 48}
    verifiers = [{"kind": "process_reward"}, {"kind": "process_reward", "aggregate": "min"}, {"kind": "exact_match"}]
    grids = [{"strategy": strategy, "over": {"verifier": verifiers}}]
    made = report(swept(sweep_of(grids=grids), tmp_path / "s.db")[0])
    names = [point.name for point in made.points]
    assert len(set(names)) == len(names) == 6


def test_answers_read_in_two_ways_are_two_measurements(tmp_path) -> None:
    strategy = {"kind": "self_consistency", "n": 4, "max_tokens": 48}
    grids = [{"strategy": strategy, "over": {"answer": [{"kind": "number"}, {"kind": "text"}]}}]
    evidence, progress = swept(sweep_of(grids=grids), tmp_path / "s.db")
    made = report(evidence)
    assert progress.paid.calls == 4 * 6
    assert len({point.name for point in made.points}) == len(made.points) == 4
    one, other = [pool for (arm, query), pool in evidence.pools.items() if query == "problem-0"]
    assert [draw.generation for draw in one.draws] == [draw.generation for draw in other.draws]
    assert [draw.answer for draw in one.draws] != [draw.answer for draw in other.draws]


def test_a_composition_that_is_no_choice_from_a_pool_is_measured_by_its_answer(tmp_path) -> None:
    nodes = [
        {"name": "draw", "strategy": {"kind": "sample", "n": 3, "max_tokens": 48}},
        {"name": "vote", "strategy": {"kind": "vote"}, "after": ["draw"]},
    ]
    grids = [TABLE["grids"][0], {"strategy": {"kind": "pipeline", "nodes": nodes}}]
    evidence, progress = swept(sweep_of(grids=grids), tmp_path / "s.db")
    assert progress.done == 3 * 6
    [point] = [point for point in report(evidence).points if point.method == "pipeline"]
    assert point.items == 6
    assert point.cost["calls"] == 3


def test_the_budget_stands_in_the_report_where_it_is_known(tmp_path) -> None:
    evidence, _ = swept(sweep_of(), tmp_path / "s.db")
    limits = Budget(calls=900, cost_usd=0.5, seconds=60)
    unknown = replace(evidence, sweep=evidence.sweep.model_copy(update={"budget": Budget()}))
    known = replace(evidence, sweep=evidence.sweep.model_copy(update={"budget": limits}))
    assert report(unknown).budget == {}
    assert report(known).budget == {"calls": 900, "cost_usd": 0.5}
    assert f"{report(known).ledger.spent['calls']:.0f}" in html(report(known))
    assert "Paid" in html(report(unknown))


def test_a_report_of_nothing_says_so(tmp_path) -> None:
    evidence, _ = swept(sweep_of(), tmp_path / "s.db")
    made = report(replace(evidence, pools={}))
    assert (made.points, made.best) == ((), ())
    assert made.incomplete
    assert save_frontier(evidence, made, tmp_path / "none") == []


def test_draws_that_failed_count_as_wrong_and_are_named(tmp_path) -> None:
    engines = {**TABLE["engines"], "generator": {"kind": "simulated", "faults": {"refused": 0.3}}}
    evidence, progress = swept(sweep_of(engines=engines), tmp_path / "s.db")
    assert progress.done == 12
    assert all(len(pool) == 4 for pool in evidence.pools.values())
    assert any(point.failed for point in report(evidence).points)


def test_a_lost_draw_costs_what_was_charged_for_it(tmp_path) -> None:
    costs = []
    for i, refused in enumerate((0.0, 0.3)):
        engines = {**TABLE["engines"], "generator": {"kind": "simulated", "faults": {"refused": refused}}}
        evidence, _ = swept(sweep_of(engines=engines), tmp_path / f"{i}.db")
        costs.append({point.name: point.cost for point in report(evidence).points if not point.is_oracle})
        for pool in evidence.pools.values():
            lost = [draw for draw in pool.draws if draw.is_lost]
            assert all((draw.generation.calls, draw.generation.completion_tokens) == (1, 48) for draw in lost)
            assert all(draw.generation.verifier_calls == 0 for draw in lost)
    calm, faulty = costs
    for name, cost in calm.items():
        assert faulty[name]["calls"] == cost["calls"]
        assert faulty[name]["completion_tokens"] >= cost["completion_tokens"]
    failed = [point.failed for point in report(evidence).points if point.method == "single"]
    assert sum(failed) == sum(draw.is_lost for pool in evidence.pools.values() for draw in pool.draws) > 0


async def test_draws_that_the_checker_cannot_judge_are_marked() -> None:
    drawn = tuple(Candidate((), text, Finish.EOS, index=i) for i, text in enumerate(("3", "4")))
    done = Done("task", Result("q", drawn, Usage()), Usage())
    [arm] = arms([Sample(n=2)])
    for reference, marks in (("3", [(1.0, False), (0.0, False)]), ("none", [(0.0, True), (0.0, True)])):
        pool = await Judge(sweep_of()).pool(arm, Query.ask("?", reference=reference), done)
        assert [(draw.correct, draw.is_unjudged) for draw in pool.draws] == marks


def test_draws_that_the_verifier_cannot_score_are_named_where_it_chooses(tmp_path) -> None:
    blind = {"kind": "best_of_n", "max_tokens": 48, "verifier": {"kind": "python_code"}}
    grids = [{"strategy": blind, "over": {"n": [1, 2, 4]}}, {"strategy": {"kind": "sample", "max_tokens": 48}}]
    made = report(swept(sweep_of(grids=grids), tmp_path / "s.db")[0])
    assert {point.n: point.unscored for point in made.points if point.method == "best_of_n"} == {1: 0, 2: 24, 4: 24}
    assert not any(point.unscored for point in made.points if point.method != "best_of_n")
    console = Console(record=True, width=200, file=StringIO())
    terminal(made, console, is_full=True)
    for shown in (html(made), console.export_text()):
        assert "24 draws could not be scored by the verifier" in shown


def test_draws_that_the_checker_cannot_judge_are_named(tmp_path) -> None:
    evidence, _ = swept(sweep_of(), tmp_path / "s.db")
    pools = {
        key: replace(pool, draws=tuple(replace(draw, is_unjudged=True) for draw in pool.draws))
        for key, pool in evidence.pools.items()
    }
    assert "24 draws could not be judged" in html(report(replace(evidence, pools=pools)))
