"""Hogwild! on one shared cache: what each worker is told and when, what becomes history, what ends it, what is read."""

from __future__ import annotations

import pytest
from continuing import letters
from scripted_workers import QUERY, ScriptedWorkers, run, strategy

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.byte_vocabulary import decode
from ponder.orchestrator.run_state import Written
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Finish, Message, Query
from ponder.orchestrator.workspace import Layout, Separator
from ponder.strategies import Hogwild
from ponder.verifiers import TextAnswer

LOOP = "and so on, " * 40


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
    assert engine.lengths == [[10, 10], [0, 10], [0, 2]]
    assert all(each is None or not each.stop for samplings in engine.asked for each in samplings)
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
    assert [bool(sampling and sampling.stop) for (sampling,) in engine.asked] == [True, True, False]
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
    stops = [sampling.stop if sampling else () for (sampling,) in engine.asked]
    assert stops == [(), (), (";",), ()]


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
