"""What a request asks of sampling is followed by every registered strategy, or refused by name."""

import pytest
from test_strategies import CASES

from ponder.orchestrator.parts import parts
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.overrides import as_asked
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.wire import ChatRequest, read_request
from ponder.orchestrator.strategy import Strategy
from ponder.strategies import (
    BudgetForcing,
    CertaintyProbe,
    ConfidenceStopping,
    EarlyPruning,
    Hogwild,
    SelfDebug,
    SStar,
)
from ponder.strategies.stepwise import Stepwise
from ponder.testing.scene import play

WANTED = {"temperature": 1.75, "top_p": 0.75, "max_tokens": 21, "stop": ["answer"], "logprobs": True}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
IN_PARTS = (ConfidenceStopping, EarlyPruning, BudgetForcing, CertaintyProbe, Hogwild, SelfDebug, SStar, Stepwise)
"""Strategies whose answers are several draws, or whose draws are not all alike."""
REFUSED = {
    "hogwild": {"stop"},
    "self_debug": {"stop"},
    "s_star": {"stop"},
    "tree_of_thoughts-propose": {"stop"},
    "tree_of_thoughts-vote": {"stop"},
}


def request(**asked: object) -> ChatRequest:
    return read_request({"model": "m", "messages": [{"role": "user", "content": "?"}], **asked})


def followed(strategy: Strategy, **asked: object) -> Pipeline | None:
    """The strategy as a request asks for it; None where it is refused by that name."""
    try:
        return as_asked(Pipeline.series(strategy), request(**asked))
    except Refusal as refusal:
        assert (refusal.status, refusal.code, refusal.param) == (400, "unsupported_parameter", *asked)
        return None


def writers(strategy: Strategy) -> list[Strategy]:
    return [part for part in parts(strategy) if isinstance(part, Strategy) and part.writes]


@pytest.mark.parametrize("case", CASES)
async def test_each_parameter_is_followed_or_refused(case: str) -> None:
    strategy = CASES[case]
    kind = case.partition("-")[0]
    is_image = not any(part.follows for part in writers(strategy))
    refused = set(WANTED) if is_image else REFUSED.get(case, REFUSED.get(kind, set()))
    is_whole = not is_image and not any(isinstance(part, IN_PARTS) for part in writers(strategy))
    refused = refused if is_whole else refused | {"logprobs"}
    assert (followed(strategy, response_format={"type": "json_object"}) is None) == (not is_whole)
    assert (followed(strategy, tools=TOOLS) is None) == (case != "sample")
    assert {name for name in WANTED if followed(strategy, **{name: WANTED[name]}) is None} == refused
    if is_image:
        return
    taken = {name: value for name, value in WANTED.items() if name not in refused}
    changed = as_asked(Pipeline.series(strategy), request(**taken))
    for part in writers(changed):
        assert (part.temperature, part.top_p) == (1.75, 0.75)  # type: ignore[attr-defined]
        assert part.max_tokens <= 21  # type: ignore[attr-defined]
        assert "stop" in refused or "answer" in part.stop  # type: ignore[attr-defined]
    played = await play(changed)
    first = played.seen.samplings[0]
    assert (first.temperature, first.top_p) == (1.75, 0.75)
    assert "stop" in refused or "answer" in first.stop
    assert first.logprobs or not is_whole
    assert played.result.candidates
    assert all(each.generated_tokens <= 21 for each in played.result.candidates)
    assert not is_whole or all("".join(each.pieces or ()) == each.text for each in played.result.candidates)
    if "stop" not in refused and case != "certainty_probe":  # whose probe says "answer" itself
        assert all("answer" not in each.text.removesuffix("answer") for each in played.result.candidates)


def test_one_part_that_cannot_follow_refuses_for_all() -> None:
    strategy = Pipeline.series(CASES["sample"], CASES["hogwild"])
    assert followed(CASES["hogwild"], stop=["x"]) is None
    with pytest.raises(Refusal, match=r"stop: this model fixes it \(hogwild cannot follow\)") as caught:
        as_asked(strategy, request(stop="x", temperature=0.5))
    assert caught.value.param == "stop"


def test_a_cap_is_shared_by_the_workers_and_their_finisher() -> None:
    changed = followed(CASES["hogwild"], max_tokens=21)
    assert changed is not None
    (hogwild,) = writers(changed)
    assert (hogwild.max_tokens, hogwild.finisher_tokens) == (2, 16)  # type: ignore[attr-defined]
    with pytest.raises(Refusal, match=r"max_completion_tokens: .*must be above the 2 workers, got 2") as caught:
        as_asked(Pipeline.series(CASES["hogwild"]), request(max_completion_tokens=2))
    assert caught.value.param == "max_completion_tokens"
