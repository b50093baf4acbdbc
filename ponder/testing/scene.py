"""One run of a strategy in a small world of texts or images, and everything that could be seen of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from ..orchestrator.budget import Budget, Ledger
from ..orchestrator.engine import Engine, EngineSpec
from ..orchestrator.engines.simulated import SimulatedSpec
from ..orchestrator.engines.simulated_faults import Faults
from ..orchestrator.engines.simulated_world import World
from ..orchestrator.errors import UsageError
from ..orchestrator.journal import Retries
from ..orchestrator.plan import Plan
from ..orchestrator.runtime import Done, Runtime, Task
from ..orchestrator.shape import Estimate, Medium, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Query, Result
from .image_world import PICTURE, SPREAD, denoising, looking
from .moods import verifiers_of
from .probed_ledger import ProbedLedger
from .rows import Rows
from .watched_calls import Manner, Seen, Watched
from .watched_engine import WatchedEngine
from .watched_images import WatchedDenoiser, WatchedLooker

WORLD = World(seed=1, steps=2, branching=3)
QUESTION = "Problem 3?"
QUERY = Query.ask(QUESTION, reference=str(WORLD.problem(Query.ask(QUESTION).messages).answer))
CERTAIN = {"easiest": 0.01, "hardest": 0.01, "spread": 0.0}
AT_ONCE = Retries(most=6, first_wait_s=0.0)
NOISE = 1.0
ALIKE = 1e-9
PRICES = {"prompt_price": 3.0, "completion_price": 15.0}


@dataclass(frozen=True, slots=True)
class Scene:
    """The circumstances of one run.

    Args:
        query: what is asked; of a strategy of images, unless told otherwise, a picture.
        budget: the hard limits.
        seed: chooses the draws.
        manner: how the engines behave.
        faults: what goes wrong with their calls by chance.
        max_in_flight: most requests in flight on each engine.
        cache_block: tokens in a block of the engines' prefix caches; 0 for no cache.
        context_length: most tokens that the engines take, prompt and completion together.
        is_certain: whether the models always write the same, but for one draw in some hundreds.
    """

    query: Query = QUERY
    budget: Budget = Budget()
    seed: int = 0
    manner: Manner = Manner()
    faults: Faults = Faults()
    max_in_flight: int = 256
    cache_block: int = 0
    context_length: int = 32_768
    is_certain: bool = False

    def but(self, **changes: Any) -> Scene:
        """The scene with some things otherwise."""
        return replace(self, **changes)

    def behaving(self, **changes: Any) -> Scene:
        """The scene with engines that behave otherwise in some ways."""
        return replace(self, manner=replace(self.manner, **changes))

    def of(self, strategy: Strategy) -> Scene:
        """The scene in which a strategy is asked for what it makes."""
        return self.but(query=PICTURE) if self.query == QUERY and medium(strategy) == "image" else self

    def engines(self, strategy: Strategy, seen: Seen) -> dict[str, EngineSpec | Engine]:
        """The engines that a strategy names, each its own model of the same problems, or of the same pictures."""
        names = dict.fromkeys(("generator", "reward", *strategy.engine_names()))
        are_images = medium(strategy) == "image"
        looks, asks = lookers(strategy) if are_images else (set[str](), set[str]())
        found: dict[str, EngineSpec | Engine] = {}
        for number, name in enumerate(names):
            watched = Watched(self.manner, seen, name)
            if not are_images or name in asks:
                found[name] = WatchedEngine(_spec(number, name, self), watched)
            elif name in looks | {"reward"}:
                found[name] = WatchedLooker(looking(number), watched, self.faults)
            else:
                spread = ALIKE if self.is_certain else SPREAD
                found[name] = WatchedDenoiser(denoising(spread), watched, self.faults)
        return found


def lookers(value: object) -> tuple[set[str], set[str]]:
    """The engines that the verifiers among some knobs look at images with, and those that they ask otherwise."""
    looks, asks = set[str](), set[str]()
    for verifier in verifiers_of(value):
        parts = lookers([getattr(verifier, name) for name in type(verifier).model_fields])
        looks, asks = looks | parts[0], asks | parts[1]
        own = set(verifier.engine_names()) - parts[0] - parts[1]
        try:
            verifier.bound({name: looking(0).open() for name in own}, 1, 1)
            looks |= own
        except UsageError:
            asks |= own
    return looks, asks


def medium(strategy: Strategy) -> Medium:
    """What a strategy makes."""
    return strategy.infer(Shape(), Plan()).medium


def _spec(number: int, name: str, scene: Scene) -> SimulatedSpec:
    """The generator is the plain world, the reward model reads it with noise; others are weaker or stronger models."""
    world = WORLD if number < 2 else WORLD.model_copy(update={"easiest": 0.05 * min(number, 10), "wrong_answers": 4})
    world = world.model_copy(update=CERTAIN) if scene.is_certain else world
    return SimulatedSpec(
        world=world,
        reward_noise=0.0 if name == "generator" else NOISE,
        cache_block=scene.cache_block,
        context_length=scene.context_length,
        faults=scene.faults,
        **PRICES,
    )


@dataclass(frozen=True, slots=True)
class Played:
    """A run that has ended: what ran, what it gave, what its engines did and it recorded, and how its ledgers stand."""

    strategy: Strategy
    done: Done
    seen: Seen
    store: Rows
    ledger: ProbedLedger

    @property
    def result(self) -> Result:
        return self.done.result


class Stage(Runtime):
    """A runtime whose engines and ledgers are watched.

    Args:
        strategy: what will be run.
        scene: in which circumstances.
        store: the journal's rows so far.
    """

    def __init__(self, strategy: Strategy, scene: Scene, store: Rows) -> None:
        scene = scene.of(strategy)
        self.seen = Seen(scene.query)
        self.ledgers: list[ProbedLedger] = []
        self.task = Task(id="task", strategy=strategy, query=scene.query, budget=scene.budget)
        engines = scene.engines(strategy, self.seen)
        in_flight = dict.fromkeys(engines, scene.max_in_flight)
        super().__init__(engines, store=store, seed=scene.seed, retries=AT_ONCE, in_flight=in_flight)

    @property
    def at_work(self) -> set[asyncio.Task[None]]:
        """The tasks in which engines evaluate what they were asked."""
        engines = [engine for engine in self.engines.values() if isinstance(engine, WatchedDenoiser)]
        return {engine.working for engine in engines if engine.working is not None}

    def open_ledger(self, budget: Budget) -> Ledger:
        self.ledgers.append(ProbedLedger(budget))
        return self.ledgers[-1]


async def play(strategy: Strategy, scene: Scene = Scene(), store: Rows | None = None) -> Played:
    """One run.

    Raises:
        BudgetExceeded: the budget cannot pay for one attempt.
    """
    store = Rows() if store is None else store
    async with Stage(strategy, scene, store) as stage:
        done = await stage.execute(stage.task, Budget())
        return Played(strategy, done, stage.seen, store, stage.ledgers[0])


async def estimated(strategy: Strategy, scene: Scene = Scene()) -> Estimate:
    """What a run may cost, by the strategy's own account."""
    async with Stage(strategy, scene, Rows()) as stage:
        return await stage.estimate(strategy, stage.task.query)
