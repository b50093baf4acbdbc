"""Hogwild! at its limits: workers that are stuck, advances that are lost, and what a budget and the context hold."""

from __future__ import annotations

from random import Random

import pytest
from continuing import letters
from pydantic import ValidationError
from scripted_workers import QUERY, ScriptedWorkers, run, strategy

from ponder.orchestrator.budget import Budget, amounts
from ponder.orchestrator.engines.byte_vocabulary import decode
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import BudgetExceeded, ShapeError
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Finish, Result
from ponder.strategies.worker import Worker, turn_of

LOOP = "and so on, " * 40
COUNT = " ".join(map(str, range(1000)))


@pytest.mark.parametrize("layout", ["contiguous", "interleaved", "combined"])
async def test_one_that_is_stuck_leaves_and_the_others_go_on(layout: str) -> None:
    """A piece of 11 characters stands more than 4 times in a row, and fills 200 after four chunks."""
    engine = ScriptedWorkers([[LOOP], [COUNT]])
    result = await run(engine, layout=layout, chunk=50, max_tokens=300)
    assert engine.lengths == [[50, 50]] * 4 + [[0, 50]] * 2
    assert engine.told[6:] == ["0-", f"|{COUNT[200:250]}"]
    kept = f"A1:{LOOP[:200]}<...>\n\n" if layout == "contiguous" else ""
    assert result.text == f"{kept}B1:{COUNT[:300]}<...>\n\nSo {{7}}"
    assert result.usage.completion_tokens == 200 + 300 + len("7} indeed") + 1


async def test_where_all_are_broken_off_what_they_wrote_is_kept() -> None:
    engine = ScriptedWorkers([[LOOP], [LOOP]], lambda so_far: None)
    result = await run(engine, chunk=200, max_tokens=300)
    assert result.text == f"A1:{LOOP[:200]}<...>\n\nB1:{LOOP[:200]}<...>\n\n"
    assert (result.best and result.best.finish, result.failures) == (Finish.ABORTED, 1)


async def test_a_loop_is_seen_across_steps_and_leaves_them_in_the_history() -> None:
    engine = ScriptedWorkers([["Let me check that again;" * 20]])
    result = await run(engine, workers=1, chunk=50, max_tokens=400)
    assert len(engine.advances) == 9  # 24 characters a step: 9 steps fill 200
    assert result.text == "".join(f"A{i}:Let me check that again;" for i in range(1, 9)) + "So {7}"


async def test_a_lost_advance_ends_the_work_with_what_stands() -> None:
    engine = ScriptedWorkers([[letters("")], [letters("")]], loses=2)
    result = await run(engine)
    text = f"A1:{letters('')[:20]}<...>\n\nB1:{letters('')[:20]}<...>\n\nSo {{7}}"
    assert (result.text, result.answer, result.stopped, result.failures) == (text, "7", "done", 1)
    assert engine.released == [engine.advances[0].session]


async def test_every_budget_that_pays_for_a_beginning_pays_for_an_answer() -> None:
    """A token of prompt, drawn or said costs 1; the query has 16, so that nothing but the budget ends the work."""

    async def under(tokens: int) -> tuple[Result, ScriptedWorkers]:
        engine = ScriptedWorkers([[letters("")], [letters("")]], lambda so_far: "7}")
        return await run(engine, budget=Budget(total_tokens=tokens), layout="contiguous", finisher_tokens=4), engine

    def bound(chunks: int) -> int:
        """What so many chunks cost and, after them, the most that the finisher may."""
        opening, drawn, closing = 16 + 2 * 3, 2 * 10 * chunks, 2 * len("<...>\n\n") + len("So {")
        return opening + drawn + (opening + drawn + closing + 4)

    with pytest.raises(BudgetExceeded, match=str(bound(1))):
        await under(bound(1) - 1)
    for chunks in (1, 2, 3):
        for tokens in (bound(chunks), bound(chunks + 1) - 1):
            result, engine = await under(tokens)
            assert (len(engine.advances), result.answer, result.stopped) == (chunks, "7", "budget")
            assert result.text.endswith(f"{letters('')[: 10 * chunks]}<...>\n\nSo {{7}}")
            assert result.usage.total_tokens <= tokens
    result, engine = await under(bound(4))
    assert (len(engine.advances), result.answer, result.stopped) == (4, "7", "done")


async def test_the_finisher_fits_the_context_that_the_workers_fill() -> None:
    engine = ScriptedWorkers([[letters("")], [letters("")]], lambda so_far: "7}", context_length=100)
    result = await run(engine, layout="contiguous", max_tokens=90, finisher_tokens=4)
    room = 100 - 16 - 2 * 3 - 2 * len("<...>\n\n") - len("So {") - 4
    assert room == 2 * (10 + 10 + 8) and engine.lengths == [[10, 10], [10, 10], [8, 8]]
    (request,) = engine.requests
    assert 16 + len(request.prompt.tokens) + 4 == 100
    assert (result.answer, result.stopped, result.failures) == ("7", "done", 0)


@pytest.mark.parametrize(
    ("finish", "left", "has_steps", "is_full", "turn"),
    [
        (None, 9, True, False, "goes on"),
        (None, 0, True, False, "rests"),
        (Finish.STOP, 9, True, False, "ends a step"),
        (Finish.STOP, 9, False, False, "goes on"),
        (Finish.STOP, 0, True, False, "rests"),
        (Finish.EOS, 9, True, False, "ends a step"),
        (Finish.EOS, 9, False, False, "rests"),
        (Finish.EOS, 0, True, False, "rests"),
        (Finish.TOTAL_LENGTH, 9, True, False, "goes on"),
        (Finish.TOTAL_LENGTH, 9, True, True, "leaves"),
        (Finish.TOTAL_LENGTH, 0, True, False, "rests"),
        (Finish.ABORTED, 9, True, False, "leaves"),
        (Finish.REPETITION, 9, False, False, "leaves"),
    ],
)
def test_what_comes_next_for_a_worker(
    finish: Finish | None, left: int, has_steps: bool, is_full: bool, turn: str
) -> None:
    worker = Worker("A", is_begun=True)
    assert turn_of(worker, finish, left=left, has_steps=has_steps, is_full=is_full) == turn


async def test_one_whose_view_fills_a_context_that_nobody_can_count_leaves() -> None:
    """B sees 60 characters more than A. Its room is 100 - 16 - 3 - 60."""
    engine = ScriptedWorkers([[letters("")], [letters("")]], context_length=100, exact_count=False)
    result = await run(engine, max_tokens=30, layout="interleaved", private=("", "x" * 60))
    assert engine.told == [
        "0+A1:",
        "1+B1:",
        *["{0}|{0}".format(letters("")[at : at + 10]) for at in (0, 10)],
        "u|u",
        "1-",
    ]
    assert engine.lengths == [[10, 10]] * 3 + [[9, 0]]
    assert result.text == f"A1:{letters('')[:30]}<...>\n\nSo {{7}}"


async def test_where_there_is_no_room_to_write_the_run_says_so() -> None:
    engine = ScriptedWorkers([["one"], ["two"]], context_length=16 + len("So {"))
    result = await run(engine, layout="contiguous")
    assert (result.candidates, result.stopped, result.failures) == ((), "error", 2)
    assert result.reason.startswith("what A sees must leave room in the engine's context for what it writes")


async def test_a_budget_or_a_deadline_leaves_what_was_written() -> None:
    engine = ScriptedWorkers([[letters("")]])
    result = await run(engine, workers=1, budget=Budget(calls=3))
    assert (result.stopped, result.answer, len(engine.advances)) == ("budget", "7", 2)
    engine = ScriptedWorkers([[letters("")]], hangs=1)
    result = await run(engine, workers=1, budget=Budget(seconds=0.5))
    assert (result.stopped, result.best and result.best.finish) == ("deadline", Finish.ABORTED)
    assert result.text == f"A1:{letters('')[:10]}<...>\n\n"


async def test_an_engine_without_a_cache_to_share_is_refused_before_anything_runs() -> None:
    engine = ScriptedWorkers([["one"]], shared_cache=False)
    with pytest.raises(ShapeError, match=r"share its cache between workers.*use an engine of kind 'torch'"):
        await run(engine)
    assert not engine.advances


@pytest.mark.parametrize("seed", range(24))
async def test_what_is_spent_is_bracketed_whatever_the_knobs(seed: int) -> None:
    rng = Random(seed)
    knobs = strategy(
        workers=rng.randint(1, 4),
        layout=rng.choice(["contiguous", "interleaved", "combined"]),
        max_tokens=rng.randint(1, 60),
        chunk=rng.choice([1, 7, 64]),
        max_steps=rng.choice([1, 2, 9]),
        cue_tokens=rng.choice([0, 3, 20]),
        quorum=rng.randint(0, 1),
        instructions=rng.choice(["", "Write {form}."]),
        private=rng.choice([(), ("Add.",)]),
        **rng.choice([{}, {"step_ends": ("\n",), "answer_opens": "answer: ", "answer_ends": "\n"}]),
    )
    spec = SimulatedSpec(prompt_price=1.0, completion_price=3.0, context_length=rng.choice([150, 4096]))
    async with Runtime({"generator": spec}, seed=seed) as runtime:
        result, estimate = await runtime.run(knobs, QUERY), await runtime.estimate(knobs, QUERY)
    spent = zip(amounts(estimate.least), amounts(result.usage), amounts(estimate.most), strict=True)
    assert all(least <= usage <= most for least, usage, most in spent)
    assert result.usage.calls <= estimate.critical_path
    assert result.best is not None
    assert result.best.generated_tokens == result.usage.completion_tokens
    assert decode(result.best.path_tokens) == result.text


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"workers": 5}, "each of 5 workers must have a name of its own, got"),
        ({"names": ("A", "A")}, "each of 2 workers must have a name of its own"),
        ({"private": ("", "", "")}, "private must tell at most 2 workers something, got 3"),
        ({"quorum": 3}, "quorum must be at most the 2 workers, got 3"),
        ({"workers": 17}, "less than or equal to 16"),
        ({"layout": "sideways"}, "contiguous"),
        ({"layout": {"view": ["others", "private", "others"]}}, "view must name history, others and private once"),
        ({"layout": {"view": ["others"], "commits": True}}, "view must show the history where workers commit to it"),
    ],
)
def test_what_cannot_be_is_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        strategy(**knobs)
