"""Workers on one common text: in what order steps come into it, what each sees, what is paid, and what ends it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

import pytest
import scripted_workers
from paced_steps import PacedSteps
from scripted_workers import QUERY

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.journal import Memory
from ponder.orchestrator.run_state import Watcher, Written
from ponder.orchestrator.runtime import Done, Runtime, Task
from ponder.orchestrator.types import Result
from ponder.strategies import Hogwild
from ponder.testing.budget_checks import brackets
from ponder.testing.path_checks import sequence
from ponder.testing.scene import Scene, estimated, play

SHORT = {**scripted_workers.SHORT, "layout": "steps", "max_tokens": 60, "quorum": 0}
THREE = {"A": ["ab;", "c;", "d"], "B": ["efg;", "i"], "C": ["jklmnopq;"]}
ASKS = {"instructions": "Share.", "answer_opens": "answer: ", "answer_ends": "\n", "step_ends": ("\n",)}


async def run(engine: SimulatedEngine, heard: list[Written] | None = None, **knobs: object) -> Result:
    budget = knobs.pop("budget", Budget())
    assert isinstance(budget, Budget)
    task = Task(id="t", strategy=Hogwild(**{**SHORT, **knobs}), query=QUERY, budget=budget)
    async with Runtime({"generator": engine}) as runtime, asyncio.timeout(20):
        done: Done = await runtime.execute(task, budget, Watcher(wrote=None if heard is None else heard.append))
    return done.result


def after(label: str, engine: PacedSteps) -> str:
    """What a step saw: the text before its own opening."""
    return engine.prompts[label].removesuffix(f"{label}:")


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("slow", ["", "A1", "B1", "C1", "A2"])
async def test_steps_come_in_the_order_of_the_workers_clocks_whatever_is_slow(streams: bool, slow: str) -> None:
    async def wait(tell) -> None:  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.02)

    engine = PacedSteps(THREE, {slow: wait}, streams=streams)
    result = await run(engine, workers=3)
    assert result.text == "A1:ab;B1:efg;A2:c;B2:i;A3:d;C1:jklmnopq;So {7}"
    assert after("A2", engine) == "A1:ab;"
    assert after("B2", engine) == "A1:ab;B1:efg;"
    assert after("A3", engine) == "A1:ab;B1:efg;A2:c;"
    assert after("B3", engine) == "A1:ab;B1:efg;A2:c;B2:i;"
    assert after("A4", engine) == after("B3", engine) + "A3:d;"
    assert after("C2", engine) == "A1:ab;B1:efg;A2:c;B2:i;A3:d;C1:jklmnopq;"
    assert (result.usage.calls, result.failures, result.stopped) == (4 + 3 + 2 + 1, 0, "done")


async def test_one_that_has_ended_goes_on_as_soon_as_the_others_have_told_that_they_are_past_it() -> None:
    goes_on, told = asyncio.Event(), asyncio.Event()

    async def begins(tell) -> None:  # type: ignore[no-untyped-def]
        goes_on.set()

    async def waits_for_a(tell) -> None:  # type: ignore[no-untyped-def]
        tell(2)
        await asyncio.sleep(0.02)
        engine.log.append("B1 tells")
        tell(3)
        told.set()
        await goes_on.wait()

    engine = PacedSteps(THREE, {"B1": waits_for_a, "A2": begins})
    result = await run(engine, workers=2)
    assert engine.log.index("A1 ends") < engine.log.index("B1 tells") < engine.log.index("A2 begins")
    assert engine.log.index("A2 begins") < engine.log.index("B1 ends")
    assert result.text == "A1:ab;B1:efg;A2:c;B2:i;A3:d;So {7}"


async def test_equal_clocks_go_by_the_workers_numbers() -> None:
    engine = PacedSteps({"A": ["ab;"], "B": ["cd;"], "C": ["ef;"]})
    await run(engine, workers=3)
    assert [after(f"{name}2", engine) for name in "ABC"] == ["A1:ab;", "A1:ab;B1:cd;", "A1:ab;B1:cd;C1:ef;"]


@pytest.mark.parametrize("layout", ["steps", "fork_join"])
async def test_the_bytes_are_the_same_at_any_speed_with_and_without_streams(layout: str) -> None:
    world = World(seed=4, steps=5)
    speeds = [
        SimulatedSpec(world=world),
        SimulatedSpec(world=world, jitter_s=0.01),
        SimulatedSpec(world=world, jitter_s=0.01, streams=False),
        SimulatedSpec(world=world, jitter_s=0.004, token_latency_s=1e-4),
        SimulatedSpec(world=world, latency_s=0.001, max_in_flight=1),
    ]
    knobs = {**ASKS, "layout": layout, "workers": 4, "step_tokens": 9, "max_tokens": 48}
    found = {canonical_json(await run(spec.open(), **knobs)) for spec in speeds}
    assert len(found) == 1


async def test_a_run_goes_on_from_its_journal_on_an_engine_that_does_not_stream() -> None:
    store, world = Memory(), World(seed=4, steps=5)
    task = Task(id="t", strategy=Hogwild(**{**SHORT, **ASKS, "workers": 3, "max_tokens": 48}), query=QUERY)
    found = []
    for spec in (SimulatedSpec(world=world, token_latency_s=1e-4), SimulatedSpec(world=world, streams=False)):
        async with Runtime({"generator": spec.open()}, store=store) as runtime:
            found.append(await runtime.execute(task, task.budget))
    first, again = found
    assert again.result == first.result
    assert first.paid == first.result.usage and again.paid.calls == 0


async def test_ids_are_never_spelt_anew_and_the_text_only_grows() -> None:
    engine = PacedSteps(THREE)
    result = await run(engine, workers=3)
    assert result.best is not None and result.best.parent is not None
    common = result.best.parent.path_tokens
    assert decode(common) == "A1:ab;B1:efg;A2:c;B2:i;A3:d;C1:jklmnopq;"
    assert END not in common, "the end of a text is no part of it"
    steps = [prompt.tokens for prompt in engine.asked]
    assert all(common[: len(tokens) - 3] == tokens[:-3] for tokens in steps[:-1])
    assert len({prompt.salt for prompt in engine.asked}) == 1 and engine.asked[0].salt


async def test_how_much_of_the_others_a_worker_does_not_see_is_told() -> None:
    heard: list[Written] = []
    await run(PacedSteps(THREE), heard, workers=3)
    said = [(each.name, each.unseen) for each in heard if each.kind == "said"]
    later = [("A", 3 + 3), ("B", 1 + 4), ("A", 1 + 5), ("B", 1 + 6), ("A", 1 + 7), ("C", 0)]
    assert said == [("A", 0), ("B", 0), ("C", 0), *later]


async def test_what_a_worker_writes_is_shown_once() -> None:
    heard: list[Written] = []
    world = World(seed=4, steps=5)
    knobs = {**ASKS, "workers": 2, "max_tokens": 30}
    result = await run(SimulatedSpec(world=world, token_latency_s=1e-4).open(), heard, **knobs)
    shown = "".join(each.text for each in heard if each.worker == 0)
    again: list[Written] = []
    assert await run(SimulatedSpec(world=world, streams=False).open(), again, **knobs) == result
    assert shown == "".join(each.text for each in again if each.worker == 0)
    tokens = [sum(each.tokens for each in some if each.worker == 0) for some in (heard, again)]
    assert tokens[0] == tokens[1] > 0 and len(heard) > len(again)


async def test_a_worker_that_is_lost_leaves_and_the_others_go_on() -> None:
    engine = PacedSteps({**THREE, "B": ["efg;", None]})
    heard: list[Written] = []
    result = await run(engine, heard, workers=3)
    assert result.text == "A1:ab;B1:efg;A2:c;A3:d;C1:jklmnopq;So {7}"
    assert (result.failures, result.stopped) == (1, "done")
    assert [(each.name, each.text) for each in heard if each.kind == "left"] == [
        ("A", "eos"),
        ("C", "eos"),
        ("B", "error"),
    ]


async def test_a_worker_that_has_drawn_all_it_may_is_told_of() -> None:
    heard: list[Written] = []
    await run(PacedSteps(THREE), heard, workers=3, max_tokens=6)
    left = {each.name: each.text for each in heard if each.kind == "left"}
    assert left["C"] == "total_length"


async def test_the_budget_ends_it_with_room_for_the_answer() -> None:
    whole = await run(PacedSteps(THREE), workers=3, max_tokens=24)
    engine, limit = PacedSteps(THREE), whole.usage.total_tokens * 2 // 3
    result = await run(engine, workers=3, max_tokens=24, budget=Budget(total_tokens=limit))
    assert result.stopped == "budget"
    assert result.usage.total_tokens <= limit
    assert result.text.startswith("A1:ab;") and result.text.endswith("So {7}") and result.answer == "7"
    assert engine.log[-1] == "finisher ends"


async def test_once_the_work_is_decided_no_step_begins_and_what_is_drawn_is_kept() -> None:
    engine = PacedSteps({"A": ["{5};"], "B": ["abcdefgh;", "{6};"]})
    result = await run(engine, workers=2, quorum=1)
    assert result.text == "A1:{5};B1:abcdefgh;{5}" and result.answer == "5"
    assert sorted(engine.prompts) == ["A1", "B1"]
    assert result.usage.completion_tokens == 4 + 9


async def test_a_step_that_is_cut_off_or_ends_the_text_is_parted_from_the_next() -> None:
    engine = PacedSteps({"A": ["abcdefghij", "kl"]})
    result = await run(engine, workers=1, step_tokens=4, max_tokens=8)
    assert result.text == "A1:abcd;A2:kl;So {7}"


async def test_a_last_step_is_as_long_as_it_likes() -> None:
    engine = PacedSteps({"A": ["a;", "bcdefghijkl"]})
    result = await run(engine, workers=1, step_tokens=4, max_steps=2, max_tokens=20)
    assert result.text == "A1:a;A2:bcdefghijkl;So {7}"
    assert result.usage.calls == 3


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_spent_is_bracketed_whatever_the_knobs(seed: int) -> None:
    rng = Random(seed)
    knobs = {
        "layout": ("steps", "fork_join")[seed % 2],
        "workers": rng.randint(1, 4),
        "max_tokens": rng.randint(1, 60),
        "step_tokens": rng.choice([1, 7, 512]),
        "max_steps": rng.choice([1, 2, 9]),
        "cue_tokens": rng.choice([0, 3, 20]),
        "quorum": rng.randint(0, 1),
        "private": rng.choice([(), ("Add.",)]),
        **rng.choice([{}, ASKS]),
    }
    strategy = Hogwild(**{**SHORT, **knobs})
    scenes = [
        Scene(seed=seed),
        Scene(seed=seed, cache_block=4),
        Scene(seed=seed, context_length=rng.choice([150, 300])),
    ]
    await brackets(strategy, scenes)
    assert await sequence(strategy, scenes[0]) <= (await estimated(strategy, scenes[0])).critical_path
    result = (await play(strategy, scenes[0])).result
    assert result.best is not None and result.best.generated_tokens == result.usage.completion_tokens
    assert decode(result.best.path_tokens) == result.text


async def test_cues_and_private_words_stand_where_they_should() -> None:
    engine = PacedSteps({"A": ["abcd;", "e;"], "B": ["f;"]})
    await run(engine, workers=2, cue_tokens=5, private=("(you lead)",))
    assert engine.prompts["A1"] == "(you lead)A1:"
    assert engine.prompts["B1"] == "B1:"
    assert engine.prompts["A2"] == "B1:f;A1:abcd;(you lead)A2:?"
    assert engine.prompts["A3"] == "B1:f;A1:abcd;A2:?e;(you lead)A3:"


async def test_a_context_that_is_full_ends_it_with_the_answer() -> None:
    engine = PacedSteps({"A": ["abcdefgh;"] * 9, "B": ["ijklmnop;"] * 9}, context_length=140)
    result = await run(engine, workers=2, max_tokens=200)
    assert result.stopped == "done" and result.failures == 0
    assert result.text.endswith("So {7}") and result.text.startswith("A1:abcdefgh;B1:ijklmnop;A2:")
    longest = max(len(encode(prompt)) for prompt in engine.prompts.values())
    assert 60 < longest < 140


async def test_forks_go_on_from_the_main_thread_and_are_joined_in_order() -> None:
    async def wait(tell) -> None:  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.02)

    engine = PacedSteps({"A": ["ab;", "c;"], "B": ["defgh;"], "C": ["i;", "j;"]}, {"B1": wait})
    result = await run(engine, workers=3, layout="fork_join")
    assert result.text == "A1:ab;B1:defgh;C1:i;A2:c;C2:j;So {7}"
    assert after("A1", engine) == "" and after("B1", engine) == after("C1", engine) == "A1:ab;"
    assert after("A2", engine) == "A1:ab;B1:defgh;C1:i;"
    assert after("B2", engine) == after("C2", engine) == "A1:ab;B1:defgh;C1:i;A2:c;"
    order = [engine.log.index(f"{label} {what}") for label, what in (("A1", "ends"), ("B1", "begins"), ("B1", "ends"))]
    assert order == sorted(order) and engine.log.index("C1 begins") < order[2] < engine.log.index("A2 begins")


async def test_forks_go_on_when_the_main_thread_has_left() -> None:
    engine = PacedSteps({"A": [None], "B": ["ab;"], "C": ["cd;"]})
    result = await run(engine, workers=3, layout="fork_join")
    assert result.text == "B1:ab;C1:cd;So {7}"
    assert result.failures == 1
    assert all(one != two for one, two in pairwise(engine.log))
