"""Certainty probe: when a chain leaves, what each probe reads, and what all of it costs."""

from collections.abc import Callable, Sequence

import pytest
from continuing import Continuing, letters
from making import context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.byte_vocabulary import decode
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Finish, Query
from ponder.strategies import CertaintyProbe
from ponder.strategies.certainty import hesitates
from ponder.verifiers import TextAnswer

QUERY = Query.ask("How many?")
PROBE = " Answer: {"


def engine(probes: Callable[[int], str | None], thought: Callable[[str], str | None] = letters) -> Continuing:
    """Thinks in letters, and answers a probe by how many letters stand before it."""

    def go_on(so_far: str) -> str | None:
        return probes(len(so_far) - len(PROBE)) if so_far.endswith(PROBE) else thought(so_far)

    return Continuing(go_on)


def strategy(**knobs: object) -> CertaintyProbe:
    return CertaintyProbe(**{"chunk": 10, "probe": PROBE, "exit_text": ".", "max_tokens": 95, **knobs})


def lengths(asked: Continuing) -> list[tuple[int, int]]:
    """Of every draw, how much stood before it and how much it may add."""
    return [(len(decode(request.prompt.tokens)), request.sampling.max_tokens) for request in asked.requests]


@pytest.mark.parametrize("agreeing", [1, 2, 3, 9])
async def test_it_leaves_at_the_probe_that_agrees_with_enough_others(agreeing: int) -> None:
    thinking = engine(lambda before: "42} indeed")
    async with Runtime({"generator": thinking}) as runtime:
        result = await runtime.run(strategy(agreeing=agreeing), QUERY)
    chain = letters("")[: 10 * agreeing]
    assert result.text == f"{chain}.{PROBE}42}}"
    assert (result.answer, result.best.finish if result.best else None) == ("42", Finish.STOP)
    assert result.usage.completion_tokens == agreeing * (10 + len("42} indeed") + 1)
    assert result.usage.calls == 2 * agreeing
    assert result.best is not None and result.best.generated_tokens == 10 * agreeing


async def test_it_never_leaves_where_answers_alternate_and_its_last_chunk_is_clipped() -> None:
    thinking = engine(lambda before: f"{-(-before // 10) % 2}}}")
    async with Runtime({"generator": thinking}) as runtime:
        result = await runtime.run(strategy(agreeing=2), QUERY)
    assert result.text == letters("")[:95]
    assert (result.best.finish if result.best else None) is Finish.TOTAL_LENGTH
    chunks = [(at, 10) for at in range(0, 90, 10)] + [(90, 5)]
    probes = [(at + size + len(PROBE), 20) for at, size in chunks]
    assert lengths(thinking) == [draw for pair in zip(chunks, probes, strict=True) for draw in pair]
    assert result.usage.completion_tokens == 95 + 10 * 3


async def test_it_leaves_where_the_last_probe_of_all_agrees() -> None:
    found = await strategy(agreeing=2).run(QUERY, [], context(engine(lambda before: "7}" if before >= 90 else "}")))
    assert found[0].text == letters("")[:95] + f".{PROBE}7}}"
    assert found[0].finish is Finish.STOP


async def test_a_probe_reads_the_chunk_before_it() -> None:
    """The answer changes with the second chunk, so the first probe that sees it is the second."""
    found = await strategy(agreeing=2).run(QUERY, [], context(engine(lambda before: "1}" if before < 20 else "2}")))
    assert found[0].text == letters("")[:30] + f".{PROBE}2}}"


@pytest.mark.parametrize(
    ("probed", "leaves"),
    [
        ("5} since the denominator is 3", True),
        ("5} butter, nothing, withhold", True),
        ("5} but", False),
        ("5} Wait", False),
        ("5} no.", False),
        ("5} (Hmm)", False),
        ("}", False),
        (" } 5", False),
        ("5 and so on", False),
    ],
)
async def test_only_whole_words_of_doubt_hold_it_back_and_an_answer_must_be_there(probed: str, leaves: bool) -> None:
    thinking = engine(lambda before: probed + " and more and more")
    found = await strategy(agreeing=2, answer=TextAnswer(), probe_tokens=len(probed)).run(QUERY, [], context(thinking))
    assert found[0].finish is (Finish.STOP if leaves else Finish.TOTAL_LENGTH)
    assert len(found[0].text) == (20 + len(f".{PROBE}5}}") if leaves else 95)


async def test_answers_agree_by_what_they_mean() -> None:
    found = await strategy(agreeing=3).run(
        QUERY, [], context(engine(lambda before: ("3}", "3.0}", "03}")[before // 10 % 3]))
    )
    assert (found[0].finish, found[0].answer) == (Finish.STOP, "3")


async def test_the_brace_that_ends_an_answer_is_none_of_its_own() -> None:
    found = await strategy(agreeing=2, answer=TextAnswer()).run(QUERY, [], context(engine(lambda before: "f{1}{2}} {")))
    assert found[0].text.endswith(f"{PROBE}f{{1}}{{2}}}}")


async def test_a_chain_that_ends_is_not_probed_and_chains_stand_for_themselves() -> None:
    thinking = engine(lambda before: "8}", lambda so_far: "x" * (13 - len(so_far)) + "9")
    found = await strategy(agreeing=2, n=2).run(QUERY, [], context(thinking))
    assert [(each.text, each.finish, each.answer) for each in found] == [("x" * 13 + "9", Finish.EOS, "9")] * 2
    assert len(thinking.requests) == 2 * 3


async def test_a_lost_probe_agrees_with_none() -> None:
    found = await strategy(agreeing=2).run(QUERY, [], context(engine(lambda before: None if before == 20 else "4}")))
    assert found[0].text == letters("")[:40] + f".{PROBE}4}}"


async def test_a_lost_chunk_ends_its_chain() -> None:
    thinking = engine(lambda before: "4}", lambda so_far: None if len(so_far) == 10 else letters(so_far))
    found = await strategy(agreeing=2).run(QUERY, [], context(thinking))
    assert [(each.text, each.finish) for each in found] == [(letters("")[:10], Finish.ABORTED)]


@pytest.mark.parametrize("calls", range(1, 6))
async def test_a_budget_leaves_what_was_thought(calls: int) -> None:
    ctx = context(engine(lambda before: "4}"), budget=Budget(calls=calls))
    found = await strategy(agreeing=3).run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert found[0].text == letters("")[: 10 * ((calls + 1) // 2)]
    assert found[0].finish is Finish.ABORTED


def test_what_is_asked_may_be_empty_of_doubt() -> None:
    plain: Sequence[str] = ()
    assert not hesitates("wait, no", plain)
