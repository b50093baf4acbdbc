"""Self-refine: when it stops, what each prompt holds, and which draft comes first."""

from collections.abc import Callable

import pytest
from answering import Answering
from making import ByTable, Counting, Failing, context, indices

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import BestOfN, Sample, SelfConsistency, SelfRefine
from ponder.verifiers import ProcessReward, TextAnswer

QUERY = Query.ask("What is asked?")


def model(drafts: list[str], critiques: list[str | None]) -> Answering:
    """Drafts in their order, critiques in theirs, the last of each for ever."""
    left = {"draft": list(drafts), "critique": list(critiques)}

    def answer(prompt: str) -> str | None:
        texts = left["critique" if "Check the response" in prompt else "draft"]
        return texts.pop(0) if len(texts) > 1 else texts[0]

    return Answering(answer)


async def refined(engine: Answering, **knobs: object) -> list[str]:
    return [each.text for each in await SelfRefine(**knobs).run(QUERY, [], context(engine))]


async def test_without_rounds_it_is_the_draft() -> None:
    engine = SimulatedSpec(world=World(seed=1)).open()
    judge = Counting()
    plain = await Sample(max_tokens=60).run(QUERY, [], context(engine))
    found = await SelfRefine(rounds=0, max_tokens=60, verifier=judge).run(QUERY, [], context(engine))
    assert [(each.text, each.index, each.usage) for each in found] == [(c.text, c.index, c.usage) for c in plain]
    assert judge.asked == []
    knobs = {"n": 6, "max_tokens": 60}
    best = await BestOfN(verifier=judge, **knobs).run(QUERY, [], context(engine))
    assert indices(await SelfRefine(rounds=0, verifier=judge, **knobs).run(QUERY, [], context(engine))) == indices(best)
    voted = await SelfConsistency(**knobs).run(QUERY, [], context(engine))
    assert await SelfRefine(rounds=0, **knobs).run(QUERY, [], context(engine)) == voted


@pytest.mark.parametrize("verdict", ["NO ISSUES", "All is well.\n\n**No issues.**\n", "no issues!", "", "\n"])
async def test_it_stops_where_nothing_is_to_be_corrected(verdict: str) -> None:
    engine = model(["1"], [verdict])
    assert await refined(engine) == ["1"]
    assert len(engine.prompts) == 2


@pytest.mark.parametrize(
    "verdict", ["There are no issues with the start, but 2 + 2 is 4.", "NO ISSUES?\nLine 2 is off"]
)
async def test_words_within_a_critique_do_not_stop_it(verdict: str) -> None:
    engine = model(["1", "2", "3"], [verdict])
    assert sorted(await refined(engine, rounds=2)) == ["1", "2", "3"]


async def test_it_stops_where_the_answer_stays_the_same() -> None:
    engine = model(["it is 5", "so it is 5.0", "6"], ["wrong"])
    assert await refined(engine) == ["it is 5", "so it is 5.0"]
    assert len(engine.prompts) == 3


async def test_it_stops_where_the_text_stays_the_same() -> None:
    engine = model(["no number", "no number", "6"], ["wrong"])
    assert await refined(engine) == ["no number", "no number"]


async def test_drafts_without_an_answer_are_not_the_same_answer() -> None:
    engine = model(["none", "nothing", "6"], ["wrong"])
    assert await refined(engine, rounds=2) == ["6", "none", "nothing"]


async def test_it_stops_where_the_score_falls_and_the_better_draft_stands() -> None:
    engine = model(["1", "2", "3", "4"], ["wrong"])
    judge = ByTable(table={"1": 0.4, "2": 0.6, "3": 0.5, "4": 0.9})
    assert await refined(engine, rounds=3, verifier=judge) == ["2", "3", "1"]


@pytest.mark.parametrize("judge", [Failing(), Counting(value=None), Counting(value=0.5)])
async def test_a_verifier_that_cannot_tell_stops_nothing(judge: Counting | Failing) -> None:
    engine = model(["1", "2", "3", "4"], ["wrong"])
    assert await refined(engine, rounds=3, verifier=judge) == ["1", "2", "3", "4"]


async def test_the_last_draft_is_not_first_by_default() -> None:
    assert await refined(model(["1", "2"], ["wrong"]), rounds=1) == ["1", "2"]
    assert await refined(model(["1", "2", "1.0"], ["wrong"]), rounds=2) == ["1", "1.0", "2"]
    later = await refined(model(["1", "2", "3", "2.0"], ["wrong"]), rounds=3)
    assert later[:2] == ["2", "2.0"]


async def test_with_a_verifier_the_result_is_no_worse_than_the_draft() -> None:
    engine = SimulatedSpec(world=World(seed=1, steps=2, branching=3), reward_noise=1.0).open()
    strategy = SelfRefine(rounds=3, max_tokens=40, critique_tokens=20, verifier=ProcessReward(engine="generator"))
    better = 0
    for seed in range(12):
        found = await strategy.run(Query.ask("Problem 3?"), [], context(engine, seed=seed))
        scores = {each.index: each.scores["process_reward:generator"].value or 0.0 for each in found}
        assert scores[found[0].index] == max(scores.values()) >= scores[min(scores)]
        better += scores[found[0].index] > scores[min(scores)]
    assert better > 2


async def test_a_prompt_holds_the_last_draft_and_the_last_critique_alone() -> None:
    engine = model(["first 1", "second 2", "third 3", "fourth 4"], ["fault A", "fault B", "fault C"])
    await refined(engine, rounds=3)
    held = ["first 1", "second 2", "third 3", "fourth 4", "fault A", "fault B", "fault C"]
    assert [[text for text in held if text in prompt] for prompt in engine.prompts] == [
        [],
        ["first 1"],
        ["first 1", "fault A"],
        ["second 2"],
        ["second 2", "fault B"],
        ["third 3"],
        ["third 3", "fault C"],
    ]
    assert all(QUERY.messages[0].content in prompt for prompt in engine.prompts)


async def test_another_engine_may_criticise() -> None:
    drafting, judging = model(["1", "2"], []), model([], ["wrong"])
    strategy = SelfRefine(rounds=1, critic="judge", critique_tokens=7, max_tokens=9)
    found = await strategy.run(QUERY, [], context(drafting, judge=judging))
    assert [each.text for each in found] == ["1", "2"]
    assert [sampling.max_tokens for sampling in judging.samplings] == [7]
    assert strategy.engine_names() == ("generator", "judge")


async def test_drafts_are_refined_side_by_side() -> None:
    def answer(prompt: str) -> str:
        if "Check the response" in prompt:
            return "NO ISSUES" if "\n5\n" in prompt else "wrong"
        return "6" if "Critique" in prompt else drafts.pop()

    drafts = ["5", "4", "5"]
    engine = Answering(answer)
    assert await refined(engine, n=3, rounds=2, answer=TextAnswer()) == ["5", "5", "6", "6", "4"]
    kinds = ["c" if "Check the response" in p else "r" if "Critique" in p else "d" for p in engine.prompts]
    assert "".join(kinds) == "dddcccrcr"


@pytest.mark.parametrize(("calls", "drafts"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
async def test_a_budget_leaves_the_drafts_there_are(calls: int, drafts: int) -> None:
    ctx = context(model(["1", "2", "3", "4"], ["wrong"]), budget=Budget(calls=calls))
    found = await SelfRefine(rounds=3).run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert [each.text for each in found] == ["1", "2", "3"][:drafts]


@pytest.mark.parametrize("lost", ["critique", "revision"])
async def test_a_lost_call_ends_its_draft_alone(lost: str) -> None:
    def refuse(is_lost: Callable[[str], bool]) -> Answering:
        return Answering(lambda prompt: None if is_lost(prompt) else "wrong" if "Check the" in prompt else "1")

    engine = refuse(lambda p: ("Check the response" in p) if lost == "critique" else ("mends" in p))
    assert await refined(engine, rounds=2) == ["1"]
