"""The budgets that are tried stand for all: between two of them nothing changes."""

import itertools

import pytest
from image_cases import IMAGES

from ponder.orchestrator.budget import COUNTED, Budget, amounts
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.context import Context
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.orchestrator.types import Usage
from ponder.strategies import BestOfN, Rank, Sample, Strategy, Vote
from ponder.testing.budget_checks import AtLimit, every_budget
from ponder.testing.probed_ledger import ProbedLedger
from ponder.testing.scene import Scene, estimated, play
from ponder.verifiers import ProcessReward

KNOBS = {"max_tokens": 40}
REWARD = ProcessReward()


class Racing(Sample):
    """Draws ahead as far as there is room, and stops after two."""

    kind: str = "racing"

    @property
    def is_speculative(self) -> bool:
        return True

    async def run(self, query, candidates, ctx: Context):
        drawn = []
        async for candidate in (launched := ctx.launch(query, self.n, self.sampling, in_flight=3)):
            drawn.append(candidate)
            if len(drawn) == 2:
                break
        await launched.aclose()
        return drawn


class Thrifty(Sample):
    """Draws as many as the amount of its room suggests."""

    kind: str = "thrifty"

    async def run(self, query, candidates, ctx: Context):
        room = ctx.room().total_tokens
        return await ctx.sample(query, min(self.n, 1 if room is None else max(1, room // 60)), self.sampling)


BRANCHES = Pipeline(
    nodes=(
        Node(name="one", strategy=Sample(n=2, **KNOBS)),
        Node(name="two", strategy=Sample(n=2, temperature=0.5, **KNOBS)),
        Node(name="judge", strategy=Rank(verifier=REWARD), after=("one", "two")),
        Node(name="vote", strategy=Vote(), after=("judge",)),
    )
)
IMAGES_TRIED = ("random_noise_search", "svdd", "svdd-block", "path_search")
STRATEGIES = {
    "sample": Sample(n=3, **KNOBS),
    "best_of_n": BestOfN(n=3, verifier=REWARD, **KNOBS),
    "racing": Racing(n=6, **KNOBS),
    "branches": BRANCHES,
    **{name: IMAGES[name] for name in IMAGES_TRIED},
}
TEXTS = ("sample", "best_of_n", "racing", "branches")


async def limits(strategy: Strategy, dimension: str) -> list[AtLimit]:
    most = dict(zip(COUNTED, amounts((await estimated(strategy)).most), strict=True))[dimension]
    return [at async for at in every_budget(strategy, dimension, most)]


def outcome(at: AtLimit) -> bytes | None:
    return None if at.played is None else canonical_json(at.played.result)


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        *itertools.product(TEXTS, ("calls", "verifier_calls")),
        *itertools.product(IMAGES_TRIED, ("calls", "verifier_calls", "nfe")),
        ("sample", "total_tokens"),
        ("best_of_n", "completion_tokens"),
        ("racing", "completion_tokens"),
        ("branches", "completion_tokens"),
    ],
)
async def test_what_lies_between_two_tried_budgets_is_as_under_the_lower(name: str, dimension: str) -> None:
    strategy = STRATEGIES[name]
    tried = await limits(strategy, dimension)
    each = {at.limit: outcome(at) for at in tried}
    last = None
    for limit in range(tried[-1].limit + 3):
        scene = Scene(budget=Budget.model_validate({dimension: limit}))
        last = each.get(limit, last)
        if last is not None:
            assert canonical_json((await play(strategy, scene)).result) == last, limit


@pytest.mark.parametrize(("name", "most"), [("sample", 4), ("best_of_n", 4), ("branches", 12)])
async def test_few_budgets_are_tried(name: str, most: int) -> None:
    assert 4 <= len(await limits(STRATEGIES[name], "total_tokens")) <= most


async def test_a_strategy_that_looks_at_its_room_is_tried_evenly_too() -> None:
    tried = await limits(Thrifty(n=4, **KNOBS), "total_tokens")
    assert len(tried) > 20
    assert {at.played.result.usage.calls for at in tried if at.played} == {1, 2, 3}


async def test_the_next_limit_is_what_admits_the_least_refused() -> None:
    ledger = ProbedLedger(Budget(calls=3))
    first = await ledger.reserve(Usage(calls=2))
    for wanted in (4, 5):
        with pytest.raises(Exception, match="calls"):
            await ledger.reserve(Usage(calls=wanted))
    assert ledger.next_limit() == 4
    first.settle(Usage(calls=1))
    assert ledger.next_limit() == 5


async def test_a_room_tells_what_it_was_asked() -> None:
    ledger = ProbedLedger(Budget(calls=3))
    assert ledger.room().fits(Usage(calls=3))
    assert (ledger.next_limit(), ledger.is_looked_at) == (None, False)
    assert not ledger.room().fits(Usage(calls=7))
    assert (ledger.next_limit(), ledger.is_looked_at) == (7, False)
    assert ledger.room().calls == 3
    assert ledger.is_looked_at


async def test_a_room_of_two_limits_can_be_asked_too() -> None:
    ledger = ProbedLedger(Budget(calls=3, total_tokens=10))
    assert ledger.room().fits(Usage(calls=3, prompt_tokens=10))
    assert not ledger.room().fits(Usage(calls=3, prompt_tokens=11))


async def test_what_is_parted_from_a_reservation_counts_by_itself() -> None:
    ledger = ProbedLedger(Budget(calls=3))
    first = await ledger.reserve(Usage(calls=3))
    with pytest.raises(Exception, match="calls"):
        await ledger.reserve(Usage(calls=4))
    parted, kept = first.split(Usage(calls=1)), first.split(Usage(calls=1))
    parted.settle(Usage(calls=1))
    kept.settle_keeping(Usage(), Usage(calls=1))
    first.release()
    assert ledger.next_limit() == 6
