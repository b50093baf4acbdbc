"""Process rewards: one value a step, or no score."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from judging import candidate, context, judged
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Capabilities, Completion, Meter, Prompt, Reading, Request
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import EngineRefused, UsageError
from ponder.orchestrator.types import Finish, Query, Score, Usage
from ponder.verifiers import ProcessReward, split_steps


@dataclass
class Reader:
    """An engine that reads what a function says."""

    values: Callable[[str], Sequence[float]]
    identity: str = "reader"
    capabilities: Capabilities = Capabilities(generate=False, read=True)
    meter: Meter = Meter(prompt_price=1.0)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def count(self, prompt: Prompt) -> int:
        return 10 + len(prompt.text)

    async def complete(self, request: Request) -> Completion:
        raise EngineRefused("a reader only reads")

    async def read(self, prompt: Prompt) -> Reading:
        if "refuse" in prompt.text:
            raise EngineRefused("told to")
        return Reading(
            tuple((value,) for value in self.values(prompt.text)), self.meter.reading(await self.count(prompt))
        )


def digits(text: str) -> list[float]:
    """A value for each line: its first digit, in tenths."""
    return [int(line[0]) / 10 for line in text.splitlines()]


def read(texts: Sequence[str], values: Callable[[str], Sequence[float]] = digits, **knobs: object) -> list[Score]:
    verifier = ProcessReward.model_validate(knobs)
    return asyncio.run(judged(verifier, texts, None, context({verifier.engine: Reader(values)})))


def test_exact_values() -> None:
    texts = ["9\n5\n", "9\n5", "3"]
    assert [(score.value, score.steps) for score in read(texts)] == [
        (0.5, (0.9, 0.5)),
        (0.5, (0.9, 0.5)),
        (0.3, (0.3,)),
    ]
    assert [score.value for score in read(texts, aggregate="product")] == [0.45, 0.45, 0.3]
    assert [score.value for score in read(texts, aggregate="min", engine="prm")] == [0.5, 0.5, 0.3]
    assert read(["9\n"])[0].kind == "learned"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("\n", []),
        ("", [0.5]),
        ("9\n5\n", [0.9]),
        ("9\n5\n", [0.9, 0.5, 0.5]),
        ("9\n5\n", [0.9, math.nan]),
        ("9\n5\n", [0.9, math.inf]),
        ("9\n5\n", [0.9, 1.5]),
        ("9\n5\n", [-0.1, 0.5]),
    ],
)
def test_what_cannot_be_trusted_is_not_a_score(text: str, values: list[float]) -> None:
    (score,) = read([text], lambda _: values)
    assert (score.value, score.steps) == (None, ())
    assert score.detail


def test_logits_need_a_link() -> None:
    (score,) = read(["9\n5\n"], lambda _: [-800.0, 0.0], link="sigmoid")
    assert (score.value, score.steps) == (0.5, (0.0, 0.5))
    (score,) = read(["9\n"], lambda _: [math.log(3)], link="sigmoid")
    assert score.value == pytest.approx(0.75)
    (score,) = read(["9\n"], lambda _: [math.nan], link="sigmoid")
    assert score.value is None


@pytest.mark.parametrize(
    ("text", "separator", "steps"),
    [
        ("a\nb", "\n", ["a", "b"]),
        ("a\nb\n", "\n", ["a", "b"]),
        ("a\n\nb\n\n", "\n\n", ["a", "b"]),
        ("a\n\n\nb", "\n", ["a", "b"]),
        ("\n \n", "\n", []),
        ("", "\n", []),
        ("a\nb\n\nc", "\n\n", ["a\nb", "c"]),
    ],
)
def test_steps_are_what_is_not_blank_between_separators(text: str, separator: str, steps: list[str]) -> None:
    assert split_steps(text, separator) == steps


def test_one_failed_reading_costs_one_score() -> None:
    assert [score.value for score in read(["9\n", "refuse\n", "7\n"])] == [0.9, None, 0.7]


def test_a_spent_budget_leaves_no_score() -> None:
    ctx = context({"reward": Reader(digits)}, Budget(verifier_calls=2))
    scores = asyncio.run(judged(ProcessReward(), ["9\n", "8\n", "7\n"], None, ctx))
    assert sorted(score.value is None for score in scores) == [False, False, True]
    assert ctx.is_stopped


def test_permuting_candidates_permutes_scores() -> None:
    texts = ["9\n5\n", "", "3", "refuse", "7\n7"]
    values = [score.value for score in read(texts)]
    assert [score.value for score in read(texts[::-1])] == values[::-1]


def test_it_bounds_its_cost() -> None:
    engines = {"reward": Reader(digits)}
    assert ProcessReward().bound(engines, 10, 5) == Usage(prompt_tokens=15, verifier_calls=1, nano_usd=15_000)
    with pytest.raises(UsageError, match="'prm'"):
        ProcessReward(engine="prm").bound(engines, 10, 5)


def test_names_tell_apart_what_differs() -> None:
    assert ProcessReward().name == "process_reward"
    assert ProcessReward(engine="prm").name == "process_reward:prm"
    assert ProcessReward(engine="prm", aggregate="min").name == "process_reward:prm:min"
    assert ProcessReward(engine="prm").engine_names() == ("prm",)


@pytest.mark.parametrize("knobs", [{"aggregate": "max"}, {"engine": ""}, {"separator": ""}, {"link": "tanh"}, {"x": 1}])
def test_bad_knobs_are_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProcessReward.model_validate(knobs)


async def test_the_simulated_reward_model_knows_sound_steps() -> None:
    engine = SimulatedSpec().open()
    query = Query.ask("Problem 3?")
    text = "step 1: b\nstep 2: c\nstep 3: d\nanswer: 579\n"
    ctx = context({"reward": engine})
    whole, start = await ctx.score(query, [candidate(text), candidate("step 1: b\n", 1)], ProcessReward())
    scores = whole.scores["process_reward"], start.scores["process_reward"]
    assert len(scores[0].steps) == 4
    assert scores[0].steps[:1] == scores[1].steps
    assert whole.finish is Finish.EOS
