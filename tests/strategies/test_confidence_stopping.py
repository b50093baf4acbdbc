"""Confidence stopping: where the bar is, where a candidate ends, and when no more are begun."""

from dataclasses import replace

from making import context, indices
from scripted_engines import Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.strategies import ConfidenceStopping, SelfConsistency

QUERY = Query.ask("Which number?")
SURE, UNSURE, LENGTH = 5.0, 1.0, 12
WARM = {"n": 4, "warmup": 2, "window": 2, "chunk": 4, "round": 1, "keep": 1.0}


def line(start: str, answer: int) -> str:
    """A text of `LENGTH` tokens, its end included."""
    return f"{start}, so it is"[: LENGTH - 3].ljust(LENGTH - 3) + f" {answer}"


def steady(*values: float) -> list[list[float]]:
    """One confidence for all tokens of each text."""
    return [[value] * LENGTH for value in values]


async def run(engine: Scripted, budget: Budget = Budget(), **knobs: object) -> list[Candidate]:
    return await ConfidenceStopping.model_validate({**WARM, **knobs}).run(QUERY, [], context(engine, budget=budget))


def ends(found: list[Candidate]) -> dict[int, tuple[str | None, str]]:
    """The answer and the finish of each candidate, by the first letter of its text."""
    return {ord(each.text[0]) - ord("a"): (each.answer, each.finish) for each in found}


async def test_one_that_falls_below_the_bar_is_ended_after_the_chunk() -> None:
    sure = [*steady(SURE, SURE), [SURE] * 5 + [UNSURE] * 7, [SURE] * LENGTH]
    engine = Scripted([line("a", 1), line("b", 2), line("c", 3), line("d", 1)], sure)
    found = await run(engine)
    assert ends(found) == {0: ("1", "eos"), 1: ("2", "eos"), 2: (None, "aborted"), 3: ("1", "eos")}
    assert engine.written == 3 * LENGTH + 8
    assert found[-1].text == line("c", 3)[:8]
    assert [each.answer for each in found] == ["1", "1", "2", None]


async def test_a_window_that_lies_across_chunks_counts() -> None:
    dip = [SURE] * 3 + [UNSURE] * 2 + [SURE] * 7
    for window, bar, written in ((2, 2.9, 8), (4, 3.2, 8), (4, 2.9, 12), (1, 3.2, 4)):
        engine = Scripted([line("a", 1), line("b", 2), line("c", 3)], [*steady(bar, bar), dip])
        await run(engine, n=3, window=window)
        assert engine.written == 2 * LENGTH + written


async def test_the_bar_is_the_confidence_that_the_share_reaches() -> None:
    texts = [line(letter, number) for letter, number in zip("abcdef", (1, 2, 3, 4, 5, 6), strict=True)]
    sure = steady(1.0, 2.0, 3.0, 4.0, 5.0, 3.9)
    found = await run(Scripted(texts, sure), n=6, warmup=5, keep=0.25)
    assert ends(found)[5] == (None, "aborted")
    assert [each.answer for each in found] == ["5", "4", None, "3", "2", "1"]
    kept = await run(Scripted(texts, sure), n=6, warmup=5, keep=0.5)
    assert [each.answer for each in kept] == ["5", "4", "6", "3", "2", "1"]


async def test_as_sure_as_the_bar_is_sure_enough() -> None:
    engine = Scripted([line(letter, 1 + (letter > "b")) for letter in "abcd"], steady(0.1, 0.1, 0.1, 0.1))
    found = await run(engine, round=2, keep=0.9)
    assert {each.finish for each in found} == {Finish.EOS}


async def test_a_clear_vote_begins_no_more() -> None:
    engine = Scripted([line(letter, 7) for letter in "abcdef"], steady(*[SURE] * 6))
    assert len(await run(engine, n=6)) == 2
    split = Scripted([line("a", 1), *[line(letter, 7) for letter in "bcdef"]], steady(*[SURE] * 6))
    assert len(await run(split, n=6, consensus=0.75)) == 4


async def test_one_that_ends_within_a_window_is_one_window() -> None:
    sure = [*steady(SURE, SURE), [UNSURE] * LENGTH, [SURE] * LENGTH]
    engine = Scripted([line("a", 1), line("b", 2), line("c", 3), line("d", 4)], sure)
    found = await run(engine, window=2048)
    assert ends(found)[2] == ("3", "eos")
    assert [each.answer for each in found] == ["1", "2", "4", "3"]
    assert engine.written == 4 * LENGTH


async def test_without_confidences_nothing_is_ended_and_all_vote_alike() -> None:
    engine = Scripted([line("a", 1), line("b", 2), line("c", 2), line("d", 3)])
    assert [each.answer for each in await run(engine)] == ["2", "2", "1", "3"]


async def test_no_candidate_is_longer_than_allowed() -> None:
    engine = Scripted([line(letter, number) for letter, number in zip("abc", (1, 2, 3), strict=True)], steady(1, 1, 1))
    found = await run(engine, n=3, max_tokens=9)
    assert [each.generated_tokens for each in found] == [9, 9, 9]
    assert {each.finish for each in found} == {Finish.TOTAL_LENGTH}


async def test_a_warm_up_of_all_is_a_plain_confidence_vote() -> None:
    engine = Scripted([line("a", 1), line("b", 2), line("c", 2)], steady(9.0, 4.0, 4.0))
    assert indices(await run(engine, n=3, warmup=16)) == [0, 1, 2]


async def test_what_is_lost_half_way_is_kept_and_does_not_vote() -> None:
    engine = Scripted([line("a", 1), line("b", 2), line("c", 2), line("d", 2)], steady(9.0, 8.0, 9.0, 9.0))
    found = await run(engine, Budget(calls=4))
    assert ends(found) == {0: ("1", "eos"), 1: ("2", "eos"), 2: (None, "aborted")}
    assert found[-1].generated_tokens == 8


class Short(Scripted):
    """Writes a token less than it may, as an engine does at the end of its context."""

    async def complete(self, request: Request) -> Completion:
        sampling = request.sampling.model_copy(update={"max_tokens": request.sampling.max_tokens - 1})
        return await super().complete(replace(request, sampling=sampling))


async def test_what_never_reaches_its_length_is_kept() -> None:
    engine = Short([line("a", 1), line("b", 2), line("c", 2)], steady(9.0, 8.0, 9.0))
    found = await run(engine, n=3, max_tokens=8)
    assert {each.text[0]: (each.generated_tokens, each.finish) for each in found} == {
        "a": (7, Finish.TOTAL_LENGTH),
        "b": (7, Finish.TOTAL_LENGTH),
        "c": (6, Finish.TOTAL_LENGTH),
    }


async def test_where_the_warm_up_is_lost_there_is_no_bar() -> None:
    engine = Scripted([None, None, line("c", 3), line("d", 4)], steady(1.0, 1.0, 1.0, 2.0))
    assert [each.answer for each in await run(engine, round=2)] == ["4", "3"]


async def test_chunks_write_what_the_model_would_write() -> None:
    world, query, runs = World(seed=1, steps=2, branching=3, wrong_answers=2), Query.ask("Problem 3?"), 300
    engine = SimulatedSpec(world=world, faults=Faults()).open()
    law = {path.text: path.probability for path in world.paths(query)}
    strategy = ConfidenceStopping(n=2, warmup=1, chunk=7, max_tokens=40, consensus=1.0, window=2048)
    later = []
    for seed in range(runs):
        ctx = context(engine, seed=seed)
        later += await strategy._written(query, 1, float("-inf"), ctx)
    assert {each.finish for each in later} == {Finish.EOS}
    best = max(law, key=lambda text: law[text])
    share = sum(each.text == best for each in later) / runs
    assert abs(share - law[best]) <= 4 * (law[best] * (1 - law[best]) / runs) ** 0.5


async def test_ending_the_unsure_costs_fewer_tokens() -> None:
    engine, query = SimulatedSpec(world=World(seed=1, steps=6, branching=3)).open(), Query.ask("Problem 3?")
    knobs = {"n": 12, "max_tokens": 90}
    stopping = ConfidenceStopping.model_validate({**knobs, "warmup": 4, "keep": 0.5, "window": 10, "chunk": 10})
    whole = written = 0
    for seed in range(5):
        drawn = await SelfConsistency.model_validate(knobs).run(query, [], context(engine, seed=seed))
        ended = await stopping.run(query, [], context(engine, seed=seed))
        whole += sum(each.generated_tokens for each in drawn)
        written += sum(each.generated_tokens for each in ended)
    assert written < whole
