"""Replay: what a fresh run costs to the token, its truth without bias, what is censored, and that nothing is paid."""

import asyncio
import math
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from replaying import EXACT, LENGTH, QUERY, REWARD, RIGHT, Lab, lab

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Usage
from ponder.search.pools import estimators, votes
from ponder.search.pools.needs import Need, needs
from ponder.search.pools.pool import Draw, Pool
from ponder.search.pools.recorded import Recorded
from ponder.search.pools.replay import Replay, replay
from ponder.strategies import (
    AdaptiveConsistency,
    AdaptiveSampling,
    BestOfN,
    Cascade,
    CertaintyProbe,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    Fuse,
    RouteByDifficulty,
    Sample,
    SelfConsistency,
    Vote,
)

STOPPING: dict[str, Strategy] = {
    "ac .75": AdaptiveConsistency(n=6, threshold=0.75, round=1, **LENGTH),
    "ac .9": AdaptiveConsistency(n=6, threshold=0.9, round=2, **LENGTH),
    "ac ahead": AdaptiveConsistency(n=6, threshold=0.8, launch="all", **LENGTH),
    "esc 2": EarlyStoppingSelfConsistency(n=6, window=2, **LENGTH),
    "esc 3": EarlyStoppingSelfConsistency(n=6, window=3, **LENGTH),
    "accepted .5": FirstAccepted(n=6, verifier=REWARD, threshold=0.5, **LENGTH),
    "accepted .9": FirstAccepted(n=6, verifier=REWARD, threshold=0.9, round=2, **LENGTH),
}
CHOOSING: dict[str, Strategy] = {
    "sample": Sample(**LENGTH),
    "vote": SelfConsistency(n=4, **LENGTH),
    "best": BestOfN(n=4, verifier=REWARD, **LENGTH),
    "weighted": BestOfN(n=4, verifier=REWARD, weighted=True, **LENGTH),
    "route": RouteByDifficulty(
        routes=(Sample(**LENGTH), SelfConsistency(n=2, **LENGTH)),
        thresholds=(0.5,),
        verifier=REWARD,
        probe=Sample(n=2, **LENGTH),
    ),
}


def is_right(text: str) -> bool:
    return text.endswith(f" {RIGHT}\n")


def means(found: Replay) -> tuple[float, float]:
    """The mean label and the mean of tokens."""
    labels, tokens = zip(*((each.label, each.usage.total_tokens) for each in found.complete), strict=True)
    return float(np.mean(labels)), float(np.mean(tokens))


def answer_of(candidate: Candidate) -> str:
    return candidate.text.split()[-1]


def places(recorded: Recorded, orders: int, pool: int = 0) -> list[list[int]]:
    """The orders of a pool, as places in it."""
    drawn, *others = [list(recorded.order(i).values())[pool] for i in range(orders)]
    return [[drawn.index(key) for key in order] for order in (drawn, *others)]


@pytest.mark.parametrize("name", [*STOPPING, *CHOOSING])
async def test_the_order_drawn_costs_what_the_live_run_costs(name: str) -> None:
    strategy = (STOPPING | CHOOSING)[name]
    for replicate in range(6):
        bench = lab()
        live = await bench.live(strategy, replicate)
        pool = await bench.drawn(8, replicate=replicate)
        found = await replay(strategy, bench.recorded([pool], replicate), 1)
        if name != "route":  # whose routes draw at places of their own
            assert found.outcomes[0] is not None
            assert found.outcomes[0].usage == live.usage
            assert found.outcomes[0].label == is_right(live.text)
        assert found.censored == 0


class TestTruth:
    """Against many fresh runs: the means of replays are those of fresh runs, and vary less."""

    POOLS, FRESH, ORDERS = 120, 600, 8

    @pytest.fixture(scope="class")
    def replays(self) -> dict[str, list[Replay]]:
        async def made() -> dict[str, list[Replay]]:
            found: dict[str, list[Replay]] = {name: [] for name in STOPPING}
            for replicate in range(self.POOLS):
                bench = lab()
                recorded = bench.recorded([await bench.drawn(8, replicate=replicate)], replicate)
                for name, strategy in STOPPING.items():
                    found[name].append(await replay(strategy, recorded, self.ORDERS))
            return found

        return asyncio.run(made())

    @pytest.mark.parametrize("name", STOPPING)
    def test_replays_are_unbiased_and_less_noisy(self, replays: dict[str, list[Replay]], name: str) -> None:
        async def fresh() -> list[tuple[float, float]]:
            bench, told = lab(), []
            for replicate in range(10_000, 10_000 + self.FRESH):
                result = await bench.live(STOPPING[name], replicate)
                told.append((float(is_right(result.text)), float(result.usage.total_tokens)))
            return told

        runs = np.array(asyncio.run(fresh()))
        assert all(found.censored == 0 for found in replays[name])
        estimates = np.array([means(found) for found in replays[name]])
        error = np.sqrt(estimates.var(axis=0) / self.POOLS + runs.var(axis=0) / self.FRESH)
        assert (np.abs(estimates.mean(axis=0) - runs.mean(axis=0)) <= 3 * error).all()
        assert (estimates.var(axis=0) < runs.var(axis=0)).all()


class TestByHand:
    """A pool of four, windows of two: every one of the 24 orders gives what a hand computes."""

    async def test_each_order_is_what_a_hand_computes(self) -> None:
        bench = lab()
        pool = await bench.drawn(4, judged=False, replicate=2)
        drawn = (await bench.live(Sample(n=4, **LENGTH), 2)).candidates
        recorded = bench.recorded([pool], 2)
        found = await replay(EarlyStoppingSelfConsistency(n=4, window=2, **LENGTH), recorded, 400)
        orders = places(recorded, 400)
        for order, outcome in zip(orders, found.outcomes, strict=True):
            in_order = [drawn[i] for i in order]
            votes_of = [answer_of(each) for each in in_order]
            count = 2 if votes_of[0] == votes_of[1] else 4
            counts = Counter(votes_of[:count])
            leader = next(each for each in votes_of if counts[each] == max(counts.values()))
            assert outcome is not None
            assert outcome.label == (leader == str(RIGHT))
            assert outcome.usage == Usage.total(each.usage for each in in_order[:count])
        assert len(set(map(tuple, orders))) == 24
        assert {outcome.usage.calls for outcome in found.complete} == {2, 4}

    def test_a_square_of_orders_puts_each_draw_in_each_place_once(self) -> None:
        pool = Need("generator", Sampling(), 5)
        orders = places(lab().recorded([pool]), 10)
        for square in (orders[:5], orders[5:]):
            assert all(len(set(place)) == 5 for place in zip(*square, strict=True))
        assert orders[0] == [0, 1, 2, 3, 4]
        assert orders == places(lab().recorded([pool]), 10)

    async def test_a_single_draw_is_the_mean_of_the_pool(self) -> None:
        bench = lab()
        pool = await bench.drawn(8)
        right = [is_right(each.text) for each in (await bench.live(Sample(n=8, **LENGTH))).candidates]
        assert means(await replay(Sample(**LENGTH), bench.recorded([pool]), 16))[0] == np.mean(right)


class TestAgainstSubsets:
    """Votes and best of N by replay agree with the U-statistics, within what orders by chance leave."""

    async def test_agree(self) -> None:
        bench = lab()
        pool = await bench.drawn(16, replicate=3)
        drawn = (await bench.live(BestOfN(n=16, verifier=REWARD, **LENGTH), 3)).candidates
        draws = [
            Draw(answer_of(each), float(is_right(each.text)), each.scores[REWARD.name].value, each.usage)
            for each in drawn
        ]
        known = Pool("q", "", tuple(draws))
        recorded = bench.recorded([pool], 3)
        for name, truth in (("vote", votes.vote(known, 4)), ("best", estimators.best_of_n(known, 4))):
            found = await replay(CHOOSING[name], recorded, 512)
            assert found.censored == 0 < truth < 1
            assert abs(means(found)[0] - truth) <= 4 * math.sqrt(truth * (1 - truth) / 512)


class TestCensored:
    async def test_is_told_exactly_where_the_pool_ends_too_soon(self) -> None:
        strategy = EarlyStoppingSelfConsistency(n=6, window=2, **LENGTH)
        shares = []
        for replicate in range(12):
            bench = lab()
            recorded = bench.recorded([await bench.drawn(4, judged=False, replicate=replicate)], replicate)
            drawn = (await bench.live(Sample(n=4, **LENGTH), replicate)).candidates
            found = await replay(strategy, recorded, 24)
            for order, outcome in zip(places(recorded, 24), found.outcomes, strict=True):
                first, second, third, fourth = (answer_of(drawn[i]) for i in order)
                assert (outcome is None) == (first != second and third != fourth)
            shares.append(found.censored)
            assert len(found.complete) == sum(outcome is not None for outcome in found.outcomes)
            assert ("draw or judge more" in found.reason) == (found.censored > 0)
        assert min(shares) == 0 < max(shares)

    async def test_draws_that_a_strategy_made_as_it_went_are_no_part_of_a_pool(self) -> None:
        bench = lab()
        pool = await bench.drawn(4, judged=False)
        await bench.live(Sample(n=16, **LENGTH))
        assert (await replay(SelfConsistency(n=5, **LENGTH), bench.recorded([pool]), 4)).censored == 1

    async def test_what_is_sent_ahead_past_the_end_is_charged_and_not_missed(self) -> None:
        strategy = AdaptiveConsistency(n=9, threshold=0.6, launch="all", **LENGTH)
        bench = lab()
        live = await bench.live(strategy)
        assert live.usage.calls == 9
        found = await replay(strategy, bench.recorded([await bench.drawn(4, judged=False)]), 1)
        assert [outcome and outcome.usage for outcome in found.outcomes] == [live.usage]

    async def test_a_judgement_that_nobody_paid_for_censors_but_a_rule_does_not(self) -> None:
        bench = lab()
        recorded = bench.recorded([await bench.drawn(4, judged=False)])
        assert (await replay(FirstAccepted(n=4, verifier=REWARD, **LENGTH), recorded, 4)).censored == 1
        assert (await replay(FirstAccepted(n=4, verifier=EXACT, **LENGTH), recorded, 4)).censored == 0

    async def test_a_draw_in_another_way_is_in_no_pool(self) -> None:
        bench = lab()
        recorded = bench.recorded([await bench.drawn(4)])
        found = await replay(Sample(temperature=0.5, **LENGTH), recorded, 2)
        assert found.censored == 1
        assert "temperature=0.5" in found.reason

    async def test_branches_side_by_side_are_censored_as_one(self) -> None:
        both = Pipeline.model_validate(
            {
                "nodes": [
                    {"name": "a", "strategy": {"kind": "sample", "n": 3, **LENGTH}},
                    {"name": "b", "strategy": {"kind": "sample", "n": 3, **LENGTH}},
                    {"name": "vote", "strategy": {"kind": "vote"}, "after": ["a", "b"]},
                ]
            }
        )
        assert [need.draws for need in needs(both) or ()] == [6]
        bench = lab()
        assert (await replay(both, bench.recorded([await bench.drawn(5)]), 3)).censored == 1
        assert (await replay(both, bench.recorded([await bench.drawn(6)]), 3)).censored == 0


class TestPools:
    CASCADE = Cascade(
        stages=(SelfConsistency(n=3, **LENGTH), BestOfN(n=2, engine="big", verifier=REWARD, **LENGTH)),
        verifier=REWARD,
        thresholds=(0.6,),
    )

    async def test_stages_of_a_cascade_each_have_a_pool_in_its_own_order(self) -> None:
        taken = set()
        both = lab().recorded([Need(engine, Sampling(), 4) for engine in ("generator", "big")])
        assert places(both, 8, 0) != places(both, 8, 1)
        for replicate in range(8):
            bench = lab()
            pools = [await bench.drawn(4, engine=engine, replicate=replicate) for engine in ("generator", "big")]
            recorded = bench.recorded(pools, replicate)
            found = await replay(self.CASCADE, recorded, 8)
            assert found.censored == 0
            first, second = [await bench.live(stage, replicate) for stage in self.CASCADE.stages]
            outcome = found.outcomes[0]
            assert outcome is not None
            is_enough = outcome.usage.calls == 3
            assert outcome.usage.calls == first.usage.calls + (0 if is_enough else second.usage.calls)
            assert outcome.label == is_right((first if is_enough else second).text)
            taken.add(is_enough)
        assert taken == {True, False}

    async def test_parts_that_draw_alike_draw_one_pool_one_after_the_other(self) -> None:
        strategy = Cascade(stages=(Sample(**LENGTH), SelfConsistency(n=3, **LENGTH)), verifier=EXACT, thresholds=(1.0,))
        assert [need.draws for need in needs(strategy) or ()] == [4]
        bench = lab()
        found = await replay(strategy, bench.recorded([await bench.drawn(4)]), 4)
        assert [outcome and outcome.usage.calls for outcome in found.outcomes] == [4] * 4
        assert (await replay(strategy, bench.recorded([await bench.drawn(3)]), 3)).censored == 1


class TestNeeds:
    @pytest.mark.parametrize(
        ("strategy", "draws"),
        [
            (STOPPING["ac .75"], [6]),
            (STOPPING["accepted .5"], [6]),
            (CHOOSING["route"], [4]),
            (TestPools.CASCADE, [3, 2]),
            (AdaptiveSampling(n=8, cooling=0.5, coolest=0.5, verifier=REWARD, **LENGTH), [1, 7]),
            (Pipeline.series(Sample(n=3, **LENGTH), Vote()), [3]),
            (Ensemble(members=(Sample(n=2, **LENGTH), Sample(n=3, **LENGTH))), [5]),
        ],
    )
    def test_are_the_pools_of_the_own_prompt(self, strategy: Strategy, draws: list[int]) -> None:
        assert [need.draws for need in needs(strategy) or ()] == draws

    def test_name_who_judges_and_how_it_must_be_drawn_for_that(self) -> None:
        [need] = needs(STOPPING["accepted .5"]) or ()
        assert need == Need("generator", Sampling(**LENGTH), 6, (REWARD,))

    @pytest.mark.parametrize(
        "strategy", [Pipeline.series(Sample(n=2, **LENGTH), Fuse(**LENGTH)), CertaintyProbe(n=3, **LENGTH)]
    )
    def test_are_none_where_texts_are_continued_or_read(self, strategy: Strategy) -> None:
        assert needs(strategy) is None

    def test_join_to_the_pool_that_serves_both(self) -> None:
        sampling = Sampling()
        few, many = Need("g", sampling, 2, (REWARD,)), Need("g", sampling, 5, (EXACT, REWARD))
        assert few.joined(many) == Need("g", sampling, 5, (REWARD, EXACT))


async def test_nothing_is_written_or_paid(tmp_path: Path) -> None:
    def rows() -> list[int]:
        tables = ("runs", "intents", "effects", "charges", "steps", "results")
        with closing(sqlite3.connect(tmp_path / "journal")) as file:
            return [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    with closing(JournalFile(tmp_path / "journal")) as store:
        bench = lab(store)
        recorded = bench.recorded([await bench.drawn(8)])
        before = rows()
        assert before[2]
        for strategy in (STOPPING | CHOOSING).values():
            assert (await replay(strategy, recorded, 8)).censored == 0
        assert (await replay(SelfConsistency(n=9, **LENGTH), recorded, 2)).censored == 1
        assert rows() == before


async def test_replays_of_one_query_are_the_same_every_time() -> None:
    bench = lab()
    pool = await bench.drawn(8)
    for strategy in STOPPING.values():
        assert await replay(strategy, bench.recorded([pool]), 16) == await replay(strategy, bench.recorded([pool]), 16)


async def test_bad_input_is_refused() -> None:
    bench: Lab = lab()
    with pytest.raises(UsageError, match="at least 1, got 0"):
        await replay(Sample(), bench.recorded([]), 0)
    with pytest.raises(UsageError, match="must be one of the pipeline's"):
        bench.recorded([Need("absent", Sampling(), 2)])

    async def two(candidate: Candidate) -> float:
        return 2.0

    pool = await bench.drawn(2)
    with pytest.raises(UsageError, match="between 0 and 1, got 2"):
        recorded = Recorded(bench.store, QUERY, bench.runtime._engines, [pool], two)
        await replay(Sample(**LENGTH), recorded, 1)
