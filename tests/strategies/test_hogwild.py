"""Hogwild! on one shared cache: what each worker is told and when, what becomes history, what ends it, what is read."""

from __future__ import annotations

from random import Random

import pytest
from continuing import letters
from pydantic import ValidationError
from scripted_workers import ScriptedWorkers

from ponder.orchestrator.budget import Budget, amounts
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.byte_vocabulary import decode
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import BudgetExceeded, ShapeError
from ponder.orchestrator.run_state import Written
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Finish, Message, Query, Result
from ponder.orchestrator.workspace import Layout, Separator
from ponder.strategies import Hogwild
from ponder.strategies.worker import Worker, turn_of
from ponder.verifiers import TextAnswer

QUERY = Query.ask("How many?")
SHORT = {
    "instructions": "",
    "opening": "{name}{step}:",
    "greetings": ("",),
    "names": ("A", "B", "C", "D"),
    "step_ends": (";",),
    "cue": "?",
    "cue_tokens": 0,
    "answer_opens": "{",
    "answer_ends": "}",
    "finisher": "So ",
    "chunk": 10,
    "max_tokens": 40,
}
LOOP = "and so on, " * 40
COUNT = " ".join(map(str, range(1000)))


def strategy(**knobs: object) -> Hogwild:
    return Hogwild(**{**SHORT, **knobs})


async def run(engine: ScriptedWorkers, query: Query = QUERY, budget: Budget = Budget(), **knobs: object) -> Result:
    async with Runtime({"generator": engine}) as runtime:
        return await runtime.run(strategy(**knobs), query, budget=budget)


def asked(engine: ScriptedWorkers) -> list[list[Sampling | None]]:
    return [list(advance.samplings) for advance in engine.advances]


def lengths(engine: ScriptedWorkers) -> list[list[int]]:
    """How much each worker might draw in each advance; 0 for one that rests."""
    return [[each.max_tokens if each else 0 for each in samplings] for samplings in asked(engine)]


async def test_steps_become_history_in_the_order_in_which_they_end() -> None:
    engine = ScriptedWorkers([["one;two;{5}"], ["abcdefg;hijk;lm{6}"]])
    result = await run(engine)
    assert engine.told == [
        *("0+A1:", "1+B1:", "one;|abcd"),
        *("0!", "0+A2:", "two;|efg;"),
        *("0!", "0+A3:", "1!", "1+B2:"),
    ]
    assert result.text == "A1:one;A2:two;B1:abcdefg;A3:{5}<...>\n\nB2:hijk<...>\n\n{5}"
    assert (result.answer, result.best and result.best.finish, result.stopped) == ("5", Finish.STOP, "done")
    assert result.usage.calls == 3
    assert result.usage.completion_tokens == 2 * (4 + 4 + 4)
    assert result.best is not None and result.best.generated_tokens == 2 * (4 + 4 + 4)


async def test_the_ids_of_the_text_are_those_in_the_cache() -> None:
    engine = ScriptedWorkers([["one;two;thr"], ["abcdefg;hijklmn"]])
    result = await run(engine, max_tokens=11)
    assert engine.told[:10] == [
        *("0+A1:", "1+B1:", "one;|abcd"),
        *("0!", "0+A2:", "two;|efg;"),
        *("0!", "0+A3:", "1!", "1+B2:"),
    ]
    assert result.best is not None and result.best.parent is not None
    common = result.best.parent
    assert common.text == "A1:one;A2:two;B1:abcdefg;A3:thr<...>\n\nB2:hij<...>\n\n"
    assert decode(common.tokens) == common.text and len(common.tokens) == len(common.text)


async def test_contiguous_workers_have_no_steps_and_one_that_ends_stays_in_sight() -> None:
    engine = ScriptedWorkers([["one;{9}"], [letters("")]])
    result = await run(engine, layout="contiguous", quorum=2, max_tokens=20)
    assert engine.told == ["0+A1:", "1+B1:", "one;{9}.|abcdefgh", "|ijklmnopqr"]
    assert lengths(engine) == [[10, 10], [0, 10], [0, 2]]
    assert all(each is None or not each.stop for samplings in asked(engine) for each in samplings)
    assert result.text == f"A1:one;{{9}}\n\nB1:{letters('')[:20]}<...>\n\n{{9}}"
    assert result.usage.completion_tokens == 8 + 20


async def test_an_end_of_text_ends_a_step_and_one_with_nothing_more_to_say_leaves() -> None:
    engine = ScriptedWorkers([["one", "two"], [letters("")]])
    result = await run(engine, max_tokens=20)
    assert engine.told == [
        *("0+A1:", "1+B1:", "one.|abcd"),
        *("0+;", "0!", "0+A2:", "two.|efgh"),
        *("0+;", "0!", "0+A3:", ".|i"),
        *("0-", "|jklmnopqrs"),
    ]
    assert result.text == f"A1:one;A2:two;B1:{letters('')[:20]}<...>\n\nSo {{7}}"
    assert result.usage.completion_tokens == (4 + 4 + 1) + 20 + len("7} indeed") + 1


async def test_a_last_step_is_as_long_as_it_likes() -> None:
    engine = ScriptedWorkers([["a;b;c;d;e;f;g;"]])
    result = await run(engine, workers=1, max_steps=3, max_tokens=12)
    assert engine.told[:7] == ["0+A1:", "a;", "0!", "0+A2:", "b;", "0!", "0+A3:"]
    assert engine.told[7:] == []
    assert [bool(sampling and sampling.stop) for (sampling,) in asked(engine)] == [True, True, False]
    assert result.text == "A1:a;A2:b;A3:c;d;e;f;<...>\n\nSo {7}"


@pytest.mark.parametrize(
    ("quorum", "answer", "calls", "drawn"),
    [(1, "1", 1, 30), (2, "2", 2, 60), (3, "2", 3, 66), (0, "2", 3, 66)],
)
async def test_the_work_ends_by_its_quorum(quorum: int, answer: str, calls: int, drawn: int) -> None:
    engine = ScriptedWorkers([["..{1}" + "." * 16], ["............{2.0}...."], ["............{2}......"]])
    result = await run(engine, layout="contiguous", workers=3, quorum=quorum)
    assert (result.answer, result.usage.calls, result.usage.completion_tokens) == (answer, calls, drawn)
    assert result.text.endswith({"1": "{1}", "2": "{2.0}"}[answer])


async def test_of_answers_with_equal_votes_that_of_the_first_worker_wins() -> None:
    engine = ScriptedWorkers([["{1} or {3} or {?}"], ["{4}"], ["{}"]])
    result = await run(engine, layout="contiguous", workers=3, quorum=0)
    assert result.answer == "3"


async def test_an_answer_counts_once_it_is_whole_wherever_chunks_part_it() -> None:
    engine = ScriptedWorkers([["{12345} and more of it"]])
    result = await run(engine, workers=1, chunk=3)
    assert result.text == "A1:{12345} a<...>\n\n{12345}"
    assert result.usage.calls == 3


async def test_each_worker_is_asked_to_check_itself_by_its_own_tokens() -> None:
    """A's steps end at 4, 8, 12 and so on, B's at 9 and 18; 8 tokens of its own lie between two cues."""
    engine = ScriptedWorkers([["abc;" * 9], ["abcdefgh;" * 4]])
    await run(engine, cue_tokens=8, max_tokens=20)
    openings = [line[1:] for line in engine.told if "+" in line]
    assert openings == ["+A1:", "+B1:", "+A2:", "+A3:?", "+B2:?", "+A4:", "+A5:?", "+B3:?"]


async def test_contiguous_workers_are_asked_where_a_step_of_theirs_ends() -> None:
    engine = ScriptedWorkers([["a;b;c;defghijk;l;mnop"]])
    await run(engine, workers=1, layout="contiguous", cue_tokens=10, chunk=5, max_tokens=20)
    assert engine.told == ["0+A1:", "a;b;c", ";defg", "hijk;", "0+?"]
    stops = [sampling.stop if sampling else () for (sampling,) in asked(engine)]
    assert stops == [(), (), (";",), ()]


@pytest.mark.parametrize("layout", ["contiguous", "interleaved", "combined"])
async def test_one_that_is_stuck_leaves_and_the_others_go_on(layout: str) -> None:
    """A piece of 11 characters stands more than 4 times in a row, and fills 200 after four chunks."""
    engine = ScriptedWorkers([[LOOP], [COUNT]])
    result = await run(engine, layout=layout, chunk=50, max_tokens=300)
    assert lengths(engine) == [[50, 50]] * 4 + [[0, 50]] * 2
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


async def test_the_finisher_is_one_greedy_draw_after_all_that_stands() -> None:
    engine = ScriptedWorkers([["one;two"], [letters("")]])
    query = Query(id="q", messages=(Message(role="user", content="How many?"), Message(role="assistant", content="?")))
    result = await run(engine, query, instructions="Share.", max_tokens=9, finisher_tokens=5)
    (request,) = engine.requests
    assert request.sampling == Sampling(temperature=0.0, max_tokens=5)
    content = [message.content for message in request.prompt.messages]
    assert content == ["How many?\n\nShare.", "?"]
    assert engine.advances[0].workspace.opening.messages == request.prompt.messages
    assert decode(request.prompt.tokens) == request.prompt.text == f"A1:one;A2:two;B1:{letters('')[:9]}<...>\n\nSo {{"
    assert result.text == f"A1:one;A2:two;B1:{letters('')[:9]}<...>\n\nSo {{7}}"


@pytest.mark.parametrize(
    ("drawn", "end", "answer", "finish"),
    [
        ("7}; or 8}", "So {7}", "7", Finish.STOP),
        ("{7}}", "So {{7}}", "7", Finish.STOP),
        ("7", "So {7}", "7", Finish.STOP),
        ("many, as we said", "So {many, as", None, Finish.TOTAL_LENGTH),
        ("none}", "So {none}", None, Finish.STOP),
        (None, "<...>\n\n", None, Finish.ABORTED),
    ],
)
async def test_what_the_finisher_draws_ends_with_the_answer(
    drawn: str | None, end: str, answer: str | None, finish: Finish
) -> None:
    engine = ScriptedWorkers([[letters("")]], lambda so_far: drawn)
    result = await run(engine, workers=1, finisher_tokens=8)
    assert result.text == f"A1:{letters('')[:40]}<...>\n\n" + end.removeprefix("<...>\n\n")
    assert (result.answer, result.best and result.best.finish) == (answer, finish)


async def test_texts_may_be_answers() -> None:
    engine = ScriptedWorkers([["```\nprint(1)\n```"]])
    knobs = {"answer": TextAnswer(), "answer_opens": "```\n", "answer_ends": "\n```"}
    result = await run(engine, workers=1, step_ends=("\n\n",), **knobs)
    assert result.answer == "```\nprint(1)\n```"


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
    assert room == 2 * (10 + 10 + 8) and lengths(engine) == [[10, 10], [10, 10], [8, 8]]
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
    assert lengths(engine) == [[10, 10]] * 3 + [[9, 0]]
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
    engine = ScriptedWorkers([[letters("")]])
    engine.spec = engine.spec.model_copy(update={"token_latency_s": 0.01})
    result = await run(engine, workers=1, budget=Budget(seconds=0.15))
    assert (result.stopped, result.best and result.best.finish) == ("deadline", Finish.ABORTED)
    assert result.text == f"A1:{letters('')[:10]}<...>\n\n"


async def test_workers_are_told_the_rules_and_their_parts() -> None:
    engine = ScriptedWorkers([["{1}"], ["{1}"], ["{1}"]])
    told = {"instructions": "Share.", "private": ("Add.", ""), "greetings": ("Let's", "I am {name}")}
    await run(engine, workers=3, opening="{name} [{step}] ", **told)
    opening = engine.advances[0].workspace.opening
    assert opening.messages == (Message(role="user", content="How many?\n\nShare."),)
    assert opening.private == ("Add.", "", "")
    assert engine.told == ["0+A [1] Let's", "1+B [1] I am B", "2+C [1] I am C"]
    system = Query(id="q", messages=(Message(role="system", content="Be brief."),))
    rules = strategy(instructions="Write {form}", answer_opens="#", answer_ends="\n").asked(system)
    assert rules.messages[1:] == (Message(role="user", content="Write #answer"),)


async def test_a_layout_may_be_a_table() -> None:
    layout = Layout(view=("private", Separator(text="--"), "history", "others"), commits=True)
    engine = ScriptedWorkers([["a;{1}"], ["b;{2}"]])
    knobs = strategy(layout=layout)
    assert Hogwild.model_validate(knobs.model_dump()) == knobs
    async with Runtime({"generator": engine}) as runtime:
        result = await runtime.run(knobs, QUERY)
    assert engine.advances[0].workspace.opening.layout == layout
    assert result.text == "A1:a;B1:b;A2:{1}<...>\n\nB2:{2}<...>\n\n{1}"


async def test_each_worker_has_a_seed_of_its_own_that_stays() -> None:
    engine = ScriptedWorkers([[letters("")], [letters("")]])
    await run(engine)
    seeds = {advance.seeds for advance in engine.advances}
    assert len(engine.advances) == 4 and len(seeds) == 1
    assert len(set(*seeds)) == 2


async def test_whoever_watches_is_told_what_happens() -> None:
    told: list[Written] = []
    engine = ScriptedWorkers([["one;{5}"], [LOOP]])
    async with Runtime({"generator": engine}) as runtime:
        await runtime.run(strategy(quorum=2, chunk=200, max_tokens=400), QUERY, on_written=told.append)
    assert [(each.worker, each.kind, each.text[:6]) for each in told if each.kind != "drawn"] == [
        (0, "said", "A1:"),
        (1, "said", "B1:"),
        (0, "committed", ""),
        (0, "said", "A2:"),
        (0, "committed", ""),
        (0, "said", "A3:"),
        (0, "left", "eos"),
        (1, "left", "repeti"),
        (-1, "answer", "5"),
    ]
    drawn = ["".join(each.text for each in told if (each.worker, each.kind) == (i, "drawn")) for i in (0, 1)]
    assert drawn == ["one;{5}", LOOP[: len(drawn[1])]]
    assert all(each.tokens == len(each.text) for each in told if each.kind == "drawn")


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
    ],
)
def test_what_cannot_be_is_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        strategy(**knobs)
