"""Checks that what fails costs its own part alone: engines, verifiers, the deadline, cancellation."""

from __future__ import annotations

import asyncio
from typing import Literal

from ..orchestrator.budget import Budget
from ..orchestrator.engines.simulated_faults import Faults
from ..orchestrator.strategy import Strategy
from .budget_checks import LOSSES
from .moods import MOODS, in_mood, verifiers_of
from .require import require
from .rows import Rows
from .scene import Played, Scene, Stage, play
from .sound_candidates import require_sound
from .watched_calls import Manner

FAULTS = LOSSES.model_copy(update={"overrun": 0.1})
DEADLINE_S = 0.1
LATEST_S = 2.0
MOMENTS = 64
Ending = Literal["over", "cancelled", "went on"]
CONTEXTS = (24, 40, 48, 56, 64, 96, 192)


async def survives_engine_faults(strategy: Strategy) -> None:
    """Faults cost their own part alone: an attempt that came back is answered with, and every lost call is charged.

    So it is where all completions are empty, unreadable, cut or alike, and where the engines' context ends early.
    """
    failures = 0
    for seed in range(8):
        played = await play(strategy, Scene(seed=seed, faults=FAULTS))
        failures += played.result.failures
        _check_loss(played, f"with seed {seed} and {FAULTS!r}")
    require(failures > 0, "calls that fail must be counted in the result's failures", failures)
    for fault in ("empty", "garbage", "cut"):
        played = await play(strategy, Scene(faults=Faults(**{fault: 1.0})))
        _check_loss(played, f"where every completion is {fault}")
    _check_loss(await play(strategy, Scene(is_certain=True)), "where all draws are alike")
    for length in CONTEXTS:
        _check_loss(await play(strategy, Scene(context_length=length)), f"with a context of {length} tokens")


async def survives_dead_engines(strategy: Strategy) -> None:
    """Engines that make nothing are an error without an answer; where none judges, the answers are unjudged.

    They refuse, are away, or compute what is no number.
    """
    judges = {verifier.name for verifier in verifiers_of(strategy) if verifier.engine_names()}
    for refuses in (True, False):
        dead = (await play(strategy, Scene(manner=Manner(fails="drawing", refuses=refuses)))).result
        require(
            not dead.candidates and dead.stopped == "error", "without a text or an image, a run must end in error", dead
        )
        require(bool(dead.reason), "a run that ends in error must say why")
    _check_loss(await play(strategy, Scene(manner=Manner(breaks="drawing"))), "where no latent is a number")
    deaf = Manner(fails="judging"), Manner(fails="judging", refuses=False), Manner(breaks="judging")
    for manner in deaf:
        played = await play(strategy, Scene(manner=manner))
        _check_loss(played, "where no judge answers")
        scores = [s for c in played.result.candidates for name, s in c.scores.items() if name in judges]
        unjudged = all(score.value is None for score in scores)
        require(unjudged, "a judge that does not answer must leave no score", scores)


async def survives_failing_verifiers(strategy: Strategy) -> None:
    """A verifier that raises, abstains, miscounts or finds all alike costs its judgements alone."""
    for mood in MOODS:
        played = await play(in_mood(strategy, mood))
        _check_loss(played, f"where a verifier {mood.replace('_', ' ')}")
        require(bool(played.result.candidates), f"where a verifier {mood.replace('_', ' ')}, there must be an answer")


def _check_loss(played: Played, where: str) -> None:
    """What came back is kept and sound, what was lost is charged and told."""
    result = played.result
    require_sound(played, where)
    if played.seen.attempts:
        require(bool(result.candidates), f"{where}, an attempt that came back must be answered with", result.reason)
    ends = "done" if result.candidates else "error"
    require(result.stopped == ends, f"{where}, a run must end as {ends}", result.stopped)
    require(bool(result.failures) == bool(result.reason), f"{where}, failures must have a reason", result.summary())
    paid = played.store.paid()
    require(played.done.paid == paid, f"{where}, every lost call must be charged", (played.done.paid, paid))


async def ends_at_the_deadline(strategy: Strategy, scene: Scene = Scene()) -> None:
    """Calls that never return are cut off at the deadline; what has finished stands."""
    calls = (await play(strategy, scene)).seen.calls
    clock = asyncio.get_running_loop().time
    for serves in (0, calls // 2):
        began = clock()
        played = await play(strategy, scene.but(budget=Budget(seconds=DEADLINE_S)).behaving(serves=serves))
        took, result, where = clock() - began, played.result, f"with {serves} of {calls} calls answered"
        require(took < LATEST_S, f"{where}, a run must end at its deadline", f"{took:.2f} s")
        if result.stopped == "done" and strategy.is_speculative and serves:
            continue  # what hangs was not needed
        require(result.stopped == "deadline", f"{where}, a run must end as deadline", result.stopped)
        require("seconds" in result.reason, f"{where}, the reason must name the deadline", result.reason)
        require_sound(played, where)
        if played.seen.attempts:
            require(bool(result.candidates), f"{where}, an attempt that came back must be answered with")


async def leaves_nothing_behind(strategy: Strategy, scene: Scene = Scene(), most: int = MOMENTS) -> None:
    """Cancelled at any moment, or not at all: no task, reservation or call is left, and what was sent is charged.

    Moments are turns of the event loop: each of up to `most`, or so many spread evenly over a longer run.
    """
    scene = scene.behaving(pause=2)
    turns, ending = await _cancelled(strategy, scene, None)
    require(ending == "over", "a run that nobody cancels must end", ending)
    moments = range(turns) if turns <= most else [turns * i // most for i in range(most)]
    for moment in moments:
        _, ending = await _cancelled(strategy, scene, moment)
        require(ending != "went on", f"cancelled at turn {moment} of {turns}, a run must stop", ending)


async def _cancelled(strategy: Strategy, scene: Scene, moment: int | None) -> tuple[int, Ending]:
    """Run until a turn of the event loop, cancel and look around: how many turns it took, and how it ended.

    A run that waits for other processes takes fewer turns at one time than at another, and may be over by then.
    """
    store, others = Rows(), asyncio.all_tasks()
    async with Stage(strategy, scene, store) as stage:
        work = asyncio.create_task(stage.execute(stage.task, Budget()))
        turns = 0
        while not work.done() and turns != moment:
            await asyncio.sleep(0)
            turns += 1
        is_over = work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        where = "after a run" if moment is None else f"cancelled at turn {moment}"
        left = asyncio.all_tasks() - others - stage.at_work
        for task in left:
            task.cancel()
        require(not left, f"{where}, no task may be left", left)
        held = [ledger.outstanding for ledger in stage.ledgers]
        require(not any(held), f"{where}, no reservation may be left", held)
        require(stage.seen.active == 0, f"{where}, no call may be left", stage.seen.active)
        if stage.ledgers:
            spent, paid = stage.ledgers[1].spent, store.paid()
            require(spent == paid, f"{where}, what was sent must be charged and recorded", (spent, paid))
    return turns, "over" if is_over else "cancelled" if work.cancelled() else "went on"
