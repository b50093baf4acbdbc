"""A frontier under one name: effort or budget picks the point; strategies that requests bring; what cards tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import openai
import pytest
from serving import QUESTION, Serving, serving, single

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.frontier import Frontier, FrontierPoint
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.dial import Dial
from ponder.orchestrator.server.served import by_name
from ponder.strategies import Sample, SelfConsistency, Strategy


def point(strategy: Strategy, tokens: float, accuracy: float, **more: object) -> FrontierPoint:
    given = {"name": f"{strategy.kind} {tokens:g}", "level": tokens, "cost": {"total_tokens": tokens}}
    figures = {"accuracy": accuracy, "low": accuracy - 0.125, "high": accuracy + 0.125, "items": 80}
    return FrontierPoint.model_validate({**given, **figures, **more, "strategy": strategy})


def frontier(*points: FrontierPoint, name: str = "sums") -> Frontier:
    return Frontier(name=name, engines={"generator": SimulatedSpec()}, points=points)


FIVE = frontier(
    point(Sample(max_tokens=64), 60, 0.25),
    point(SelfConsistency(n=2, max_tokens=64), 120, 0.5),
    point(SelfConsistency(n=4, max_tokens=64), 240, 0.375),
    point(SelfConsistency(n=8, max_tokens=64), 480, 0.75),
    point(SelfConsistency(n=16, max_tokens=64), 960, 0.625, not_confirmed="the budget ended"),
)


JUDGE = {"kind": "process_reward", "engine": "generator"}


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(
        [FIVE, single()], strategies=["self_consistency", "sample", "beam_search", "ab_mcts", "process_reward"]
    ) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def asked(client: openai.OpenAI, **parameters: object) -> tuple[str, int]:
    """The model that answered, and how many candidates it drew."""
    answer = client.chat.completions.create(**{"model": "sums", "messages": QUESTION, **parameters})
    return answer.model, answer.ponder["usage"]["calls"]


@pytest.mark.parametrize(
    ("efforts", "model", "calls"),
    [(("none", "minimal", "low"), "sums-1", 1), (("medium",), "sums-2", 2), (("high", "xhigh", "max"), "sums-4", 8)],
)
def test_effort_picks_the_point(client: openai.OpenAI, efforts: tuple[str, ...], model: str, calls: int) -> None:
    assert {asked(client, reasoning_effort=effort) for effort in efforts} == {(model, calls)}


def test_without_effort_a_budget_picks_the_point_and_else_medium_effort() -> None:
    dial = Dial(FIVE)
    picked = [dial.model(dial.point(None, Budget(total_tokens=limit))) for limit in (None, 10, 60, 479, 480, 10_000)]
    assert picked == ["sums-2", "sums-1", "sums-1", "sums-2", "sums-4", "sums-4"]
    assert dial.model(dial.point(None, Budget(calls=1))) == "sums-2"
    assert dial.model(dial.point("high", Budget(total_tokens=10))) == "sums-4"
    alone = Dial(frontier(FIVE.points[0]))
    assert {alone.model(alone.point(effort, Budget())) for effort in ("low", "medium", "high")} == {"sums-1"}


def test_a_budget_in_a_request_picks_and_binds(client: openai.OpenAI) -> None:
    body = {"ponder": {"budget": {"total_tokens": 500}}}
    model, calls = asked(client, extra_body=body)
    assert model == "sums-4" and 2 < calls < 8
    assert asked(client, extra_body=body, reasoning_effort="low") == ("sums-1", 1)


@pytest.mark.parametrize("model", ["single", "sums-2"])
def test_a_model_of_one_composition_fixes_its_effort(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"fixes its effort.*or ask for sums") as error:
        asked(client, model=model, reasoning_effort="low")
    assert error.value.param == "reasoning_effort"


def test_cards_tell_what_models_can_do(client: openai.OpenAI) -> None:
    cards = {card.id: card.ponder for card in client.models.list()}
    assert list(cards) == ["sums", *(f"sums-{rank}" for rank in range(1, 6)), "single"]
    assert cards["single"] == {
        "makes": "text",
        "asked_at": ["/v1/chat/completions", "/v1/responses", "/v1/completions"],
        "composition": ["sample"],
        "most_answers": 1,
        "context_length": 32768,
        "calls_tools": False,
    }
    assert cards["sums"]["most_answers"] == max(cards[f"sums-{rank}"]["most_answers"] for rank in range(1, 6)) > 1
    points = cards["sums"]["points"]
    assert [each["efforts"] for each in points] == [
        ["none", "minimal", "low"],
        ["medium"],
        [],
        ["high", "xhigh", "max"],
        [],
    ]
    assert points[3] == {
        "model": "sums-4",
        "efforts": ["high", "xhigh", "max"],
        "composition": "self_consistency 480",
        "cost": {"total_tokens": 480.0},
        "accuracy": 0.75,
        "interval": [0.625, 0.875],
        "is_confirmed": True,
    }
    assert [each["is_confirmed"] for each in points] == [True, True, True, True, False]


def test_a_frontier_needs_a_point_and_a_name_of_its_own() -> None:
    with pytest.raises(UsageError, match="must have a point"):
        create_app({"single": single()}, frontiers=[frontier()])
    twin = single("sums")
    with pytest.raises(UsageError, match="different names, got two 'sums'"):
        create_app(by_name([FIVE, twin]), frontiers=[FIVE])


def test_a_request_may_bring_a_strategy_that_the_operator_allows(client: openai.OpenAI) -> None:
    body = {"ponder": {"strategy": {"kind": "self_consistency", "n": 3}}}
    assert asked(client, model="single", extra_body=body) == ("single", 3)
    body = {"ponder": {"strategy": {"kind": "sample", "n": 2}}}
    answer = client.chat.completions.create(model="single", messages=QUESTION, n=2, extra_body=body)
    assert len(answer.choices) == 2
    tree = {"kind": "ab_mcts", "n": 2, "engines": ["generator"], "verifier": JUDGE}
    assert asked(client, model="single", extra_body={"ponder": {"strategy": tree}})[0] == "single"


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({"kind": "best_of_n", "verifier": {"kind": "process_reward"}}, "may be made of .* holds 'best_of_n'"),
        ({"kind": "self_consistency", "n": 0}, "n"),
        ({"kind": "no_such_thing"}, "no_such_thing"),
        ({"kind": "sample", "engine": "other"}, "engine 'other' must be one of the pipeline's engines"),
        ({"kind": "pipeline", "stages": [{"kind": "sample"}, {"kind": "fuse"}]}, "holds 'fuse'"),
        (
            {"kind": "pipeline", "stages": [{"kind": "sample"}], "engines": {"generator": {"kind": "simulated"}}},
            "engines",
        ),
        ({"kind": "best_of_n", "verifier": {"kind": "function", "function": "os:system"}}, "leave out function"),
        ({"kind": "beam_search", "verifier": {"kind": "process_reward"}, "leaf": "(a+)+$"}, "leave out leaf"),
        ({"kind": "s_star", "executor": {"kind": "python_code", "limits": {"memory_mib": 99_999}}}, "leave out limits"),
        (
            {"kind": "beam_search", "verifier": JUDGE, "max_steps": 1000, "lookahead": 64},
            "too many rounds",
        ),
        ({"kind": "self_consistency", "stop": ["x" * 65_536]}, "at most 65536 characters"),
        ({"kind": "pipeline", "stages": [{"kind": "sample"}] * 64}, "at most 64 tables"),
        ({"kind": "sample", "json_schema": "{}"}, "must be able to hold what it writes to a JSON schema"),
    ],
)
def test_other_strategies_are_refused_by_name(client: openai.OpenAI, strategy: dict[str, object], told: str) -> None:
    with pytest.raises(openai.BadRequestError, match=told) as error:
        asked(client, model="single", extra_body={"ponder": {"strategy": strategy}})
    assert error.value.param == "ponder.strategy"


@pytest.mark.parametrize("kind", ["best_of_m", "number", "function"])
def test_what_no_request_could_bring_cannot_be_allowed(kind: str) -> None:
    with pytest.raises(UsageError, match=f"got '{kind}'"):
        create_app({"single": single()}, strategies=["sample", kind])


def test_nothing_that_is_not_allowed_is_imported(client: openai.OpenAI) -> None:
    judged = {"kind": "best_of_n", "n": 2, "verifier": {"kind": "function", "function": "this:d"}}
    inner = {"kind": "pipeline", "stages": [judged], "engines": {"generator": {"kind": "simulated"}}}
    engines = {"generator": {"kind": "pipeline", "pipeline": inner}}
    outer = {"kind": "pipeline", "stages": [{"kind": "sample"}], "engines": engines}
    with pytest.raises(openai.BadRequestError, match="leave out engines"):
        asked(client, model="single", extra_body={"ponder": {"strategy": outer}})
    assert "this" not in sys.modules


def test_nothing_may_be_brought_unless_the_operator_says_so() -> None:
    with serving([single()]) as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
        with pytest.raises(openai.BadRequestError, match="made of none here") as error:
            asked(client, model="single", extra_body={"ponder": {"strategy": {"kind": "sample"}}})
        assert error.value.code == "not_allowed"


def test_what_is_served_is_a_list_of_pipelines_and_frontiers() -> None:
    with pytest.raises(UsageError, match="must be a list of pipelines and frontiers, got one of tuple; load files"):
        by_name(single("alone"))  # type: ignore[arg-type]
