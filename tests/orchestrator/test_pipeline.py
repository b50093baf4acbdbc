"""The graph: what is refused and how, branches and nests, files and pictures, and who draws from which stream."""

import subprocess
import sys

import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import BudgetExceeded, ShapeError, UsageError
from ponder.orchestrator.pipeline import Node, Pipeline, build_strategy
from ponder.orchestrator.pipeline_file import load, save, to_mermaid, to_text, to_toml
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query, Result
from ponder.orchestrator.wording import in_words
from ponder.strategies import BestOfN, BudgetForcing, Ensemble, Fuse, Rank, Sample, SelfConsistency, Strategy, Vote
from ponder.testing import ignores_order_of_arrival
from ponder.verifiers import ExactMatch, ProcessReward

WORLD = World(seed=1, steps=2, branching=3)
ENGINE = SimulatedSpec(world=WORLD)
ENGINES = {"generator": ENGINE, "reward": SimulatedSpec(world=WORLD, reward_noise=1.0)}
QUERY = Query.ask("Problem 3?", reference="1")
TWO = Sample(n=2, max_tokens=40)
RANK = Rank(verifier=ProcessReward())
OTHER = Rank(verifier=ProcessReward(engine="prm"))
WEIGHED = Vote(weights="prm")


def graph(*edges: str, **strategies: Strategy) -> Pipeline:
    """A pipeline from its nodes, and edges such as ``a>b``."""
    after = {name: tuple(e.split(">")[0] for e in edges if e.endswith(f">{name}")) for name in strategies}
    nodes = tuple(Node(name=name, strategy=strategy, after=after[name]) for name, strategy in strategies.items())
    return Pipeline(nodes=nodes, engines=ENGINES)


async def run(strategy: Strategy, budget: Budget = Budget(), **knobs: object) -> Result:
    engines = {name: spec.model_copy(update=knobs) for name, spec in ENGINES.items()}
    async with Runtime(engines) as runtime:
        return await runtime.run(strategy, QUERY, budget)


DIAMOND = graph("a>j", "b>j", "j>v", a=TWO, b=BestOfN(n=3, max_tokens=40, verifier=ProcessReward()), j=RANK, v=Vote())


@pytest.mark.parametrize(
    ("make", "node", "rule", "remedy"),
    [
        (lambda: graph("a>b", "b>c", "c>a", a=RANK, b=RANK, c=RANK), "a", "no cycle, but has a -> b -> c", "remove"),
        (lambda: graph("a>a", a=RANK), "a", "no cycle", "remove one of these edges"),
        (lambda: graph("x>b", a=TWO, b=RANK), "b", "runs after 'x', which is no node", "name one of"),
        (lambda: Pipeline(nodes=(Node(name="a", strategy=TWO),) * 2), "a", "must be unique", "rename one"),
        (lambda: graph(a=TWO, b=TWO), "b", "must end in one node, but ends in a, b", "add a node after them"),
        (lambda: Pipeline(nodes=()), "pipeline", "must have a node", "add one under"),
        (lambda: graph(r=RANK).check(), "r", "nothing before it draws any", "put a sample before it"),
        (lambda: graph("a>b", a=TWO, b=Sample()).check(), "b", "must come first", "move it to the start"),
        (lambda: graph("a>v", a=TWO, v=WEIGHED).check(), "v", "candidates carry those of: none", "put a rank"),
        (lambda: graph(a=Sample(engine="judge")).check(), "a", "engine 'judge' must be one of", r"add [engines.judge]"),
        (lambda: graph("a>r", a=TWO, r=OTHER).check(), "r", "engine 'prm'", "add [engines.prm]"),
        (lambda: Pipeline.series(TWO, Pipeline.series(TWO)).check(), "pipeline_1.sample_0", "must come first", "move"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_work_is_refused(make, node, rule, remedy) -> None:
    with pytest.raises(ShapeError) as caught:
        make()
    assert caught.value.node == node
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy
    assert str(caught.value) == f"node {node!r}: {caught.value.rule}; {caught.value.remedy}"


def test_a_table_of_an_unknown_kind_or_knob_is_refused() -> None:
    with pytest.raises(UsageError, match="got 'best_of_m'; did you mean 'best_of_n'"):
        build_strategy({"kind": "best_of_m"})
    with pytest.raises(UsageError, match="must name its kind"):
        build_strategy({"n": 3})
    with pytest.raises(UsageError, match="got 7"):
        build_strategy(7)
    with pytest.raises(UsageError, match=r"strategy 'pipeline' is not valid: nodes: Field required"):
        build_strategy({"kind": "pipeline"})


async def test_branches_are_laid_side_by_side_in_the_order_named() -> None:
    both = await run(graph("a>j", "b>j", a=TWO, b=TWO, j=Rank(verifier=ExactMatch())))
    assert sorted(each.origin for each in both.candidates) == ["0.0", "0.0", "0.1", "0.1"]


async def test_nodes_of_one_strategy_draw_independently() -> None:
    many = Sample(n=12, max_tokens=40)
    both = await run(graph("a>j", "b>j", a=many, b=many, j=Rank(verifier=ExactMatch())))
    streams = {
        origin: [c.text for c in sorted(both.candidates, key=lambda c: c.index) if c.origin == origin]
        for origin in ("0.0", "0.1")
    }
    assert len(streams["0.0"]) == len(streams["0.1"]) == 12
    assert streams["0.0"] != streams["0.1"]


async def test_nodes_draw_by_their_kind_and_so_alike_where_other_nodes_differ() -> None:
    def fused(*between: Strategy) -> Pipeline:
        return Pipeline.series(TWO, *between, Fuse(n=2, max_tokens=40), Fuse(max_tokens=40), engines=ENGINES)

    plain, ranked = await run(fused()), await run(fused(Rank(verifier=ExactMatch())))
    assert plain.best.origin == ranked.best.origin == "0.fuse.1"


async def test_a_single_node_draws_as_if_it_stood_alone() -> None:
    alone, wrapped = await run(TWO), await run(Pipeline.series(TWO, engines=ENGINES))
    assert canonical_json(alone) == canonical_json(wrapped)


def test_a_series_is_written_as_its_stages(tmp_path) -> None:
    pipeline = Pipeline.series(TWO, RANK, name="two", engines=ENGINES)
    stages = [TWO.model_dump(), RANK]
    assert Pipeline(name="two", stages=stages, engines=ENGINES) == pipeline
    assert build_strategy({"kind": "pipeline", "stages": stages}) == Pipeline.series(TWO, RANK)
    path = tmp_path / "two.toml"
    path.write_text('[[stages]]\nkind = "sample"\nn = 2\nmax_tokens = 40\n[engines.generator]\nkind = "simulated"\n')
    assert load(path).nodes == Pipeline.series(TWO).nodes
    with pytest.raises(UsageError, match="either stages or nodes, got both"):
        build_strategy({"kind": "pipeline", "stages": stages, "nodes": []})
    with pytest.raises(UsageError, match="stages must be a list of strategies, got 3"):
        build_strategy({"kind": "pipeline", "stages": 3})


async def test_best_of_four_inside_best_of_sixteen_is_free(tmp_path) -> None:
    from ponder.orchestrator.journal_file import JournalFile
    from ponder.orchestrator.runtime import Task
    from ponder.orchestrator.types import Usage

    file = JournalFile(tmp_path / "j.db")
    async with Runtime(ENGINES, store=file, run=1) as runtime:
        paid = {}
        for n in (16, 4):
            strategy = BestOfN(n=n, max_tokens=40, verifier=ProcessReward())
            done = await runtime.execute(Task(id=f"of {n}", strategy=strategy, query=QUERY), Budget())
            paid[n] = done.paid
            assert done.result.usage.calls == n
    file.close()
    assert (paid[16].calls, paid[4]) == (16, Usage())


async def test_a_merge_of_branches_is_the_same_at_any_speed_under_tight_budgets() -> None:
    enough = (await run(DIAMOND)).usage.total_tokens
    for limit in range(120, enough + 200, 37):
        found = set()
        for knobs in ({"max_in_flight": 1}, {"max_in_flight": 64}, {"jitter_s": 0.002}):
            found.add(canonical_json(await run(DIAMOND, Budget(total_tokens=limit), **knobs)))
        assert len(found) == 1


async def test_branches_after_text_that_was_put_in_are_the_same_at_any_speed() -> None:
    long = BudgetForcing(
        thinking_tokens=10, max_tokens=20, num_ignore=0, end_of_thinking="", answer_prefix="\n" + "Answer " * 40
    )
    short, cold = {"max_tokens": 20}, {"max_tokens": 20, "temperature": 0.5}
    two, one = (Pipeline.series(Fuse(n=2, **each), Fuse(n=2, **each)) for each in (short, cold))
    fusions = graph("two>v", "one>v", two=two, one=one, v=Vote()).model_copy(update={"engines": {}})
    await ignores_order_of_arrival(Pipeline.series(long, fusions))


async def test_a_nested_pipeline_is_a_strategy() -> None:
    inner = graph("r>v", "s>v", r=RANK, s=Rank(verifier=ExactMatch()), v=Rank(verifier=ExactMatch(), keep=1))
    nested = Pipeline.series(TWO, inner.model_copy(update={"engines": {}}), engines=ENGINES).check()
    result = await run(nested)
    assert len(result.candidates) == 1
    assert result.usage.calls == 2
    assert nested.engine_names() == ("generator", "reward")


async def test_branches_of_a_nested_pipeline_run_on_nothing_where_every_draw_was_lost() -> None:
    nested = Pipeline.series(TWO, graph("a>v", "b>v", a=RANK, b=RANK, v=Vote()).model_copy(update={"engines": {}}))
    assert (await run(nested, faults=Faults(refused=1.0))).stopped == "error"


async def test_a_pipeline_of_one_node_gives_what_its_strategy_asks_for() -> None:
    result = await run(Pipeline.series(SelfConsistency(n=5, max_tokens=40), engines=ENGINES))
    assert len(result.candidates) == 5
    assert result.answer


def test_a_pipeline_comes_back_from_its_file(tmp_path) -> None:
    for pipeline in (DIAMOND, Pipeline.series(DIAMOND.model_copy(update={"engines": {}}), engines=ENGINES)):
        save(pipeline, path := tmp_path / "saved.toml")
        assert load(path) == pipeline
        assert load(path).id == pipeline.id
        assert to_toml(load(path)) == to_toml(pipeline)


def test_a_file_names_its_pipeline(tmp_path) -> None:
    path = tmp_path / "math.toml"
    path.write_text('[[nodes]]\nname = "a"\nstrategy = { kind = "sample" }\n[engines.generator]\nkind = "simulated"\n')
    assert load(path).name == "math"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nodes = [", "must be TOML, but: .*; mend it there"),
        ("colour = 3\nnodes = []", "colour: Extra inputs are not permitted"),
        ('[[nodes]]\nname = "a b"\nstrategy = { kind = "sample" }', r"nodes\.0\.name: "),
        ('[[nodes]]\nname = "a"\nstrategy = { kind = "sample", n = 0 }', "strategy 'sample' is not valid: n: .*got 0"),
        ('[[nodes]]\nname = "a"\nstrategy = { kind = "sample", temperature = nan }', "temperature: .*finite"),
        ('[[nodes]]\nname = "a"\nstrategy = { kind = "sample" }\n[engines.generator]\nkind = "vlm"', "mean 'vllm'"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_pipeline_is_refused(tmp_path, text, problem) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        load(path)


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"must be readable at .*, but: No such file.*; check the path"):
        load(tmp_path / "none.toml")


def test_an_id_is_the_same_in_every_process_and_changes_with_a_knob(tmp_path) -> None:
    save(DIAMOND, path := tmp_path / "p.toml")
    code = f"import ponder; print(ponder.load({str(path)!r}).id)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert found.stdout.strip() == DIAMOND.id
    other = graph("a>j", "b>j", "j>v", a=Sample(n=3, max_tokens=40), b=TWO, j=RANK, v=Vote())
    assert len({DIAMOND.id, other.id}) == 2


def test_pictures_name_every_node_and_edge() -> None:
    mermaid, text = to_mermaid(DIAMOND), to_text(DIAMOND)
    assert mermaid.splitlines()[:2] == ["flowchart LR", "    query([query])"]
    for edge in ("query --> n1", "query --> n2", "n1 --> n3", "n2 --> n3", "n3 --> n4"):
        assert f"    {edge}" in mermaid.splitlines()
    assert f"pipeline ({DIAMOND.id})" == text.splitlines()[0]
    assert "  a + b -> j: rank verifier=process_reward" in text.splitlines()
    assert "  query -> a: sample n=2 max_tokens=40" in text.splitlines()
    assert any(line.startswith("  engine reward: simulated") for line in text.splitlines())


def test_strategies_among_knobs_and_long_prompts_are_told_in_few_words() -> None:
    ensemble = Ensemble(members=(TWO, Sample(engine="prm")))
    assert in_words(ensemble) == "ensemble members=(sample n=2 max_tokens=40),(sample engine=prm)"
    asked = in_words(Fuse(prompt="{question}\n{responses}\n" + "Write a better one. " * 9))
    assert asked == "fuse prompt={question} {responses} Write a better..."


def test_no_name_or_knob_is_taken_for_a_word_of_the_picture() -> None:
    nodes = (
        Node(name="end", strategy=Sample(stop=('"]; end', "#"))),
        Node(name="query", strategy=Vote(), after=("end",)),
    )
    lines = to_mermaid(Pipeline(nodes=nodes)).splitlines()
    assert [line.split('"')[0].strip() for line in lines[1:]] == [
        "query([query])",
        "n1[",
        "query --> n1",
        "n2[",
        "n1 --> n2",
    ]
    assert all(line.count('"') in (0, 2) for line in lines)
    assert "end: sample stop=#34;]; end,#35;" in lines[2]


async def test_a_budget_too_small_for_one_attempt_is_refused_with_the_figure() -> None:
    with pytest.raises(BudgetExceeded, match="total_tokens: may need 57, 56 left; raise the budget's total_tokens"):
        await run(DIAMOND, Budget(total_tokens=56))
    assert (await run(DIAMOND, Budget(total_tokens=57))).candidates
