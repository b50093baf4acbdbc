"""Budget forcing: the cap and the waits, what each draw is asked after, and exact token counts."""

from collections.abc import Callable

import pytest
from continuing import Continuing, letters
from making import context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.context import Context
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.strategies import BudgetForcing, Sample

QUERY = Query.ask("Problem 3?")
CLOSE = "</t>"
FORCED = {"end_of_thinking": CLOSE, "wait": "Wait", "answer_prefix": "\nFinal Answer:"}


def thinker(so_far: str) -> str:
    """Thinks ten letters, or five after a wait, closes its thinking, and answers."""
    if CLOSE in so_far:
        return "42"
    since = so_far.rpartition("Wait")[2]
    size = 5 if "Wait" in so_far else 10
    return "t" * (size - len(since)) + CLOSE + "42"


def ender(so_far: str) -> str:
    """Knows no end but that of the text."""
    return "42" if "Final Answer:" in so_far else "t" * (10 - len(so_far.rpartition("Wait")[2])) + "7"


async def run(engine: Continuing, ctx: Context | None = None, **knobs: object) -> Candidate:
    strategy = BudgetForcing(**{"max_tokens": 200, "thinking_tokens": 100, **FORCED, **knobs})
    (found,) = await strategy.run(QUERY, [], ctx or context(engine))
    return found


def prompts(engine: Continuing) -> list[str]:
    return [decode(request.prompt.tokens) for request in engine.requests]


async def test_without_force_it_is_plain_decoding() -> None:
    """With the end of the text alone, draw for draw; with an end of thinking, the same greedy text in two draws."""
    engine = SimulatedSpec(world=World(seed=1)).open()
    for n in (1, 3):
        knobs = {"n": n, "max_tokens": 60}
        plain = await Sample(**knobs).run(QUERY, [], context(engine))
        forced = BudgetForcing(thinking_tokens=60, num_ignore=0, end_of_thinking="", **knobs)
        assert await forced.run(QUERY, [], context(engine)) == plain
    for end in ("step 2", "b\n", "never"):
        greedy = {"temperature": 0.0, "max_tokens": 60}
        (plain,) = await Sample(**greedy).run(QUERY, [], context(engine))
        forced = BudgetForcing(thinking_tokens=60, num_ignore=0, end_of_thinking=end, **greedy)
        (found,) = await forced.run(QUERY, [], context(engine))
        assert (found.text, found.path_tokens, found.finish) == (plain.text, plain.path_tokens, plain.finish)


async def test_thinking_stops_at_the_cap_and_the_answer_is_drawn() -> None:
    engine = Continuing(thinker)
    async with Runtime({"generator": engine}) as runtime:
        result = await runtime.run(BudgetForcing(max_tokens=200, thinking_tokens=6, num_ignore=2, **FORCED), QUERY)
    assert result.text == f"tttttt\n{CLOSE}\nFinal Answer:42"
    assert [request.sampling.max_tokens for request in engine.requests] == [6, 194]
    assert result.usage.completion_tokens == 6 + 3
    forced = len(f"\n{CLOSE}\nFinal Answer:")
    assert result.usage.prompt_tokens == 2 * len("user: Problem 3?\n") + 6 + forced


async def test_a_new_line_is_put_in_only_where_there_is_none() -> None:
    found = await run(Continuing(lambda so_far: "42" if CLOSE in so_far else "a\nb"), thinking_tokens=2)
    assert found.text == f"a\n{CLOSE}\nFinal Answer:42"


@pytest.mark.parametrize("waits", [0, 1, 2, 4, 6])
async def test_an_end_of_thinking_is_taken_away_and_waited_for(waits: int) -> None:
    engine = Continuing(thinker)
    found = await run(engine, num_ignore=waits)
    assert found.text == "t" * 10 + "Waitttttt" * waits + CLOSE + "42"
    assert found.finish is Finish.EOS
    assert found.path_tokens == (*encode(found.text), END)
    assert not any(CLOSE in prompt for prompt in prompts(engine)[:-1])
    assert found.generated_tokens == 10 + 5 * waits + 4 * (waits + 1) + 3


@pytest.mark.parametrize("waits", [1, 3])
async def test_an_end_of_the_text_is_taken_away_and_waited_for(waits: int) -> None:
    engine = Continuing(ender)
    found = await run(engine, num_ignore=waits, end_of_thinking="")
    assert found.text == "Wait".join(["t" * 10 + "7"] * (waits + 1))
    assert all(END not in request.prompt.tokens for request in engine.requests)
    assert len(engine.requests) == waits + 1


async def test_a_text_that_ends_without_closing_its_thinking_is_waited_for_too() -> None:
    found = await run(Continuing(ender), num_ignore=1)
    assert found.text == "t" * 10 + "7Wait" + "t" * 10 + "7"


@pytest.mark.parametrize("think", [thinker, ender])
@pytest.mark.parametrize("cap", range(1, 60, 3))
async def test_all_continuations_share_one_cap(think: Callable[[str], str], cap: int) -> None:
    engine = Continuing(think)
    found = await run(engine, num_ignore=3, thinking_tokens=cap, max_tokens=cap + 3)
    allowed = [request.sampling.max_tokens for request in engine.requests]
    is_answer = [CLOSE in prompt for prompt in prompts(engine)]
    thought = sum(made for made, answers in zip(engine.made, is_answer, strict=True) if not answers)
    spent = 0
    for most, made, answers in zip(allowed, engine.made, is_answer, strict=True):
        assert most == (cap + 3 if answers else cap) - spent
        spent += made
    assert thought <= cap
    assert found.generated_tokens == spent <= cap + 3
    assert found.text.count("Wait") <= 3


async def test_what_is_put_in_is_prompt_and_not_generated() -> None:
    engine = Continuing(ender)
    async with Runtime({"generator": engine}) as runtime:
        strategy = BudgetForcing(max_tokens=100, thinking_tokens=100, num_ignore=1, **FORCED)
        result = await runtime.run(strategy, QUERY)
        estimate = await runtime.estimate(strategy, QUERY)
    assert result.usage.completion_tokens == 2 * (11 + 1)
    assert result.usage.prompt_tokens == 2 * len("user: Problem 3?\n") + 11 + len("Wait")
    assert estimate.most.completion_tokens <= 100 + 2


async def test_a_model_that_thinks_nothing_is_made_to() -> None:
    found = await run(Continuing(lambda so_far: letters(so_far)[:5] if so_far else ""), num_ignore=1)
    assert found.text == "Wait" + letters("Wait")[:5]


async def test_a_delimiter_spelt_otherwise_is_taken_away_by_its_text() -> None:
    class Merging(Continuing):
        """Its vocabulary spells the delimiter otherwise where it stands alone."""

        async def encode(self, text: str) -> tuple[int, ...]:
            return (255,) if text == CLOSE else encode(text)

    engine = Merging(thinker)
    found = await run(engine, num_ignore=1)
    assert found.text == "t" * 10 + "Waitttttt" + CLOSE + "42"
    assert prompts(engine)[1] == "t" * 10 + "Wait"


@pytest.mark.parametrize("calls", [1, 2, 3])
async def test_a_budget_leaves_the_attempt_as_the_model_last_ended_it(calls: int) -> None:
    ended = await run(Continuing(ender), context(Continuing(ender), budget=Budget(calls=calls)), num_ignore=3)
    assert ended.text == "Wait".join(["t" * 10 + "7"] * calls)
    assert ended.finish is Finish.EOS
    closed = await run(Continuing(thinker), context(Continuing(thinker), budget=Budget(calls=1)), num_ignore=0)
    assert (closed.text, closed.finish) == ("t" * 10 + CLOSE, Finish.ABORTED)


async def test_thinking_that_is_closed_with_the_last_token_is_cut_there() -> None:
    found = await run(Continuing(thinker), num_ignore=0, max_tokens=10 + len(CLOSE), thinking_tokens=10 + len(CLOSE))
    assert (found.text, found.finish) == ("t" * 10 + CLOSE, Finish.TOTAL_LENGTH)


async def test_a_lost_draw_costs_its_stream_alone() -> None:
    engine = Continuing(lambda so_far: None if so_far else thinker(so_far))
    found = await BudgetForcing(n=2, max_tokens=60, thinking_tokens=30, **FORCED).run(QUERY, [], context(engine))
    assert [(each.text, each.finish) for each in found] == [("t" * 10 + CLOSE, Finish.ABORTED)] * 2


async def test_a_stop_string_of_the_user_ends_it() -> None:
    found = await run(Continuing(thinker), stop=("ttt",), num_ignore=2)
    assert (found.text, found.finish) == ("ttt", Finish.STOP)


async def test_a_stop_string_that_holds_the_end_of_thinking_ends_it_too() -> None:
    found = await run(Continuing(thinker), stop=(CLOSE + "4",), num_ignore=0)
    assert (found.text, found.finish) == ("t" * 10 + CLOSE + "4", Finish.STOP)
    forced = await run(Continuing(thinker), stop=("Prefix4",), num_ignore=0, thinking_tokens=6, answer_prefix="Prefix")
    assert forced.text.endswith("Prefix42"), "what was put in was not generated"


def test_thinking_must_leave_room() -> None:
    with pytest.raises(ValidationError, match=r"thinking_tokens must be at most max_tokens \(512\), got 600; raise"):
        BudgetForcing(thinking_tokens=600, max_tokens=512)
