"""What tree and stepwise search cost by themselves: our own processor time a step of AB-MCTS, and a node of a search.

Where engines answer at once, all that is left is ours. An AB-MCTS of 800 answers runs on its pure core and whole,
through a `Context`, beside the treequest package where that is installed. A stepwise search of 10,000 nodes, 100 on
each of 100 levels, runs on states that are numbers under each allocator, and so does a Monte Carlo tree search; then
whole strategies make about as many nodes through a `Context` on the simulated engine, beside the same calls to that
engine alone.

Goals: an AB-MCTS of 800 answers under 2 s, a node under 100 microseconds of processor time, both in the median. The
last line sums up; the exit status is 1 where a goal is missed. Takes about two minutes on two cores; writes
``experiments/results/bench_search_overhead.json``.

    python experiments/bench_search_overhead.py
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Completion, Engine, Prompt, Reading, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.process_settings import SELDOM_COLLECTED
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.strategies.ab_mcts import ABMCTS
from ponder.strategies.adaptive_branching import AdaptiveBranching
from ponder.strategies.beam_search import BeamSearch
from ponder.strategies.dvts import DVTS
from ponder.strategies.level_search import Growth, search
from ponder.strategies.mcts import MCTS
from ponder.strategies.particle_filter import ParticleFilter
from ponder.strategies.posteriors import Beta, Gaussian
from ponder.strategies.rebase import Rebase
from ponder.strategies.search_tree import Outcome, SearchTree, uct
from ponder.strategies.stepwise import Stepwise
from ponder.verifiers import ProcessReward

RESULTS = Path(__file__).parent / "results" / "bench_search_overhead.json"
REPEATS = 7
ANSWERS, ANSWERS_GOAL_S = 800, 2.0
WIDTH, LEVELS, NODE_GOAL_US = 100, 100, 100.0
NODES = WIDTH * LEVELS
EXPAND = 4
QUERY = Query.ask("Problem 3: which number do the steps lead to?")
WORLD = World(seed=1, steps=16, branching=2)
Work = Callable[[], Coroutine[Any, Any, int]]


class Chance(Verifier):
    """Judges by a number drawn for each text, at once."""

    kind: Literal["chance"] = "chance"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Score]:
        return [Score(Random(each.text).random()) for each in candidates]


class Instant(SimulatedEngine):
    """Answers every request with its seed, at once."""

    async def complete(self, request: Request) -> Completion:
        text = str(request.seed)
        return Completion((1,), text, Finish.EOS, self.meter.generation(10, 1))

    async def count(self, prompt: Prompt) -> int:
        return 10


class Recording(SimulatedEngine):
    """Remembers every call."""

    def __init__(self, spec: SimulatedSpec) -> None:
        super().__init__(spec)
        self.requests: list[Request] = []
        self.prompts: list[Prompt] = []

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        return await super().complete(request)

    async def read(self, prompt: Prompt) -> Reading:
        self.prompts.append(prompt)
        return await super().read(prompt)


class Numbers:
    """Numbers as the states of a search, never at their end, each with a score by chance."""

    is_stopped = False

    def __init__(self) -> None:
        self._count = itertools.count()
        self._random = Random(0)

    async def extend(self, parents: Sequence[tuple[int | None, int]]) -> list[list[int]]:
        return [[next(self._count) for _ in range(count)] for _, count in parents]

    async def score(self, states: Sequence[int]) -> list[tuple[int, float | None]]:
        return [(state, self._random.random()) for state in states]

    def is_terminal(self, state: int) -> bool:
        return False

    def key(self, state: int) -> Hashable:
        return state

    def cost(self, state: int) -> float:
        return 1.0


def branching(prior: Gaussian | Beta) -> Work:
    """The pure core of AB-MCTS with random rewards."""

    async def work() -> int:
        rewards = Random(0)
        tree = AdaptiveBranching(-1, 1, prior, np.random.default_rng(0))
        for i in range(ANSWERS):
            parent, arm = tree.ask()
            tree.tell(parent, arm, i, rewards.random())
        return ANSWERS

    return work


def treequest(inplace: bool) -> Work:
    """The same with the treequest package, whose default copies the state at each step."""

    async def work() -> int:
        from treequest import ABMCTSA  # type: ignore[import-not-found]

        rewards = Random(0)
        search = ABMCTSA[int]()
        state = search.init_tree()
        for i in range(ANSWERS):
            state = search.step(state, {"a": lambda _, i=i: (i, rewards.random())}, inplace=inplace)
        return ANSWERS

    return work


def level_search(strategy: Stepwise) -> Work:
    """The kernel of stepwise search under a strategy's allocator."""

    async def work() -> int:
        found = await search(
            Numbers(), strategy.allocator(), n=WIDTH, depth=LEVELS, rng=lambda name: np.random.default_rng(0)
        )
        assert max(node.index for node in found.unfinished) == NODES - 1
        return NODES

    return work


async def tree_search() -> int:
    """The tree of an MCTS on the kernel's nodes."""
    domain = Numbers()
    growth, tree = Growth(domain), SearchTree[Any](None, uct, 2**0.5)
    for _ in range(NODES // EXPAND):
        leaf = tree.ask()
        assert leaf is not None
        made, _ = await growth.grow([(leaf.state, EXPAND)])
        tree.tell(leaf, [Outcome(node, node.score or 0.0) for node in made])
    return NODES


def whole(strategy: Strategy, engine: Engine) -> Work:
    """A strategy through a `Context`: ledger, and journal in memory."""

    async def work() -> int:
        engines, gates = {"generator": engine}, {"generator": nullcontext()}
        budget = Budget(total_tokens=10**9, calls=10**6)
        run = Run("bench", engines, gates, Ledger(budget), Ledger(budget), Journal(Memory()))
        assert await strategy.run(QUERY, [], Context(run, strategy.kind)), run.reason
        assert run.stopped == "done", run.reason
        return run.ledger.spent.calls

    return work


def alone(strategy: Strategy) -> Work:
    """The calls of a strategy, made to the engine directly."""
    engine = Recording(SimulatedSpec(world=WORLD))
    asyncio.run(whole(strategy, engine)())
    plain = SimulatedEngine(engine.spec)

    async def work() -> int:
        for request in engine.requests:
            await plain.complete(request)
        for prompt in engine.prompts:
            await plain.read(prompt)
        return len(engine.requests)

    return work


def has_treequest() -> bool:
    """Whether the package can be imported."""
    try:
        version("treequest")
    except PackageNotFoundError:
        return False
    return True


STEPS: dict[str, Any] = {
    "n": 600,
    "verifier": ProcessReward(engine="generator"),
    "temperature": 4.0,
    "leaf": "answer:",
    "step_tokens": 16,
    "max_tokens": 256,
    "max_steps": 17,
}
SEARCHES: tuple[Stepwise, ...] = (
    BeamSearch(**STEPS, unique=False),
    DVTS(**STEPS),
    Rebase(**STEPS),
    ParticleFilter(**STEPS),
    MCTS(**{**STEPS, "n": 2500}, expand=EXPAND, parallel=16),
)
ANSWER_ROWS: dict[str, Work] = {
    "adaptive branching, gaussian": branching(Gaussian()),
    "adaptive branching, beta": branching(Beta()),
    "ab_mcts + context": whole(ABMCTS(n=ANSWERS, verifier=Chance()), Instant(SimulatedSpec())),
}
PEER_ROWS: dict[str, Work] = {
    "treequest, in place": treequest(inplace=True),
    "treequest, as it comes": treequest(inplace=False),
}
NODE_ROWS: dict[str, Work] = {each.kind: level_search(each) for each in SEARCHES[:-1]} | {"mcts": tree_search}


def measured(work: Work) -> tuple[float, float, int]:
    """Processor seconds, wall seconds and units of one turn."""
    gc.collect()
    with SELDOM_COLLECTED:
        wall, cpu = time.perf_counter(), time.process_time()
        units = asyncio.run(work())
        return time.process_time() - cpu, time.perf_counter() - wall, units


def compare(rows: dict[str, Work], repeats: int = REPEATS) -> dict[str, dict[str, float | int]]:
    """Medians of every row, measured in turn."""
    seen: dict[str, list[tuple[float, float, int]]] = {name: [] for name in rows}
    for _ in range(repeats):
        for name, work in rows.items():
            seen[name].append(measured(work))
    found = {}
    for name, each in seen.items():
        cpu, wall, units = (
            statistics.median(c for c, _, _ in each),
            statistics.median(w for _, w, _ in each),
            each[0][2],
        )
        per_unit = round(cpu / units * 1e6, 2)
        found[name] = {"cpu_s": round(cpu, 4), "wall_s": round(wall, 4), "units": units, "cpu_us_each": per_unit}
    return found


def main() -> int:
    """Measure, print, write the results; the exit status."""
    answers = compare(ANSWER_ROWS)
    if has_treequest():
        answers |= compare({"treequest, in place": PEER_ROWS["treequest, in place"]})
        answers |= compare({"treequest, as it comes": PEER_ROWS["treequest, as it comes"]}, 1)
    nodes = compare(NODE_ROWS)
    through = {f"{each.kind} + context": whole(each, SimulatedEngine(SimulatedSpec(world=WORLD))) for each in SEARCHES}
    engine = {f"{each.kind}, engine alone": alone(each) for each in SEARCHES}
    calls = compare(dict(itertools.chain(*zip(through.items(), engine.items(), strict=True))), 3)
    for title, rows in (("an answer", answers), ("a node", nodes), ("a node drawn and read", calls)):
        print(f"{title:30}{'CPU us':>9}{'CPU s':>9}{'wall s':>9}{'units':>9}")
        for name, row in rows.items():
            print(f"{name:30}{row['cpu_us_each']:9.1f}{row['cpu_s']:9.3f}{row['wall_s']:9.3f}{row['units']:9}")
    for name in filter(answers.__contains__, PEER_ROWS):
        ratio = answers[name]["cpu_s"] / answers["adaptive branching, gaussian"]["cpu_s"]
        print(f"{name}: {ratio:.1f} times the processor time of adaptive branching")

    verdicts = {f"{name}, s": (answers[name]["wall_s"], ANSWERS_GOAL_S) for name in ANSWER_ROWS}
    verdicts |= {f"{name}, us a node": (row["cpu_us_each"], NODE_GOAL_US) for name, row in nodes.items()}
    software = {name: version(name) for name in ("numpy", "pydantic")}
    software |= {"treequest": version("treequest")} if has_treequest() else {}
    facts = {"python": platform.python_version(), **software, "answers": ANSWERS, "nodes": NODES, "repeats": REPEATS}
    summary = {name: {"value": v, "goal": goal, "met": v <= goal} for name, (v, goal) in verdicts.items()}
    RESULTS.parent.mkdir(exist_ok=True)
    report = {"facts": facts, "answers": answers, "nodes": nodes, "drawn_and_read": calls, "goals": summary}
    RESULTS.write_text(json.dumps(report, indent=1))
    print("; ".join(f"{n} {v} (<= {g}) {'PASS' if v <= g else 'MISS'}" for n, (v, g) in verdicts.items()))
    return 0 if all(goal["met"] for goal in summary.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
