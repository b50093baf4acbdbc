"""Checks that what fails costs its own judgements alone: engines, replies, the deadline, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..orchestrator.budget import Budget
from ..orchestrator.verifier import Verifier
from .bench import Bench
from .failure_checks import DEADLINE_S, LATEST_S, MOMENTS, ends_at_the_deadline, leaves_nothing_behind
from .judged import Judged, told
from .loss_checks import MOST_LOST
from .moods import verifiers_of
from .replay_checks import ignores_order_of_arrival
from .require import require
from .scene import play
from .score_checks import facts

EVER = 1_000_000
FEW_MOMENTS = 8
NO_REPLIES = ("", " \n", "\x00\ufffd {]}\x1b[2J \u202e" * 20, "[" * 3000)
MANGLED: tuple[Callable[[str], str], ...] = (
    lambda text: text[: len(text) // 2],
    lambda text: f"{text}\n{text}",
    lambda text: text.replace("1", "7"),
    lambda text: "9" * 5000,
)


async def survives_dead_judges(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Where no engine answers, who needs one has the reason instead of a score; numbers that are none harm nobody.

    A verifier of others that ask no engine may go by those.
    """
    candidates = await bench.candidates(verifier)
    needs_call = [score.usage.verifier_calls for score in (await told(verifier, candidates, bench.scene)).scores]
    manners = [{"fails": "judging", "refuses": refuses} for refuses in (True, False)]
    for manner in manners:
        found = await told(verifier, candidates, bench.scene.behaving(**manner))
        for score, calls in zip(found.scores, needs_call, strict=True):
            is_silent = score.value is None or not calls or _has_other_evidence(verifier)
            require(is_silent, "where no engine answers, who needs one must have no score", score)
        result = found.played.result
        require(bool(result.failures) == any(needs_call), "calls that fail must be counted", result.summary())
    await told(verifier, candidates, bench.scene.behaving(breaks="judging"))


def _has_other_evidence(verifier: Verifier) -> bool:
    """Whether a verifier within this one asks no engine."""
    knobs = [getattr(verifier, name) for name in type(verifier).model_fields]
    return any(not part.engine_names() or _has_other_evidence(part) for part in verifiers_of(knobs))


async def survives_lost_judgements(verifier: Verifier, bench: Bench = Bench()) -> None:
    """With one call lost, whichever it is, one candidate at most is judged otherwise; nor does a death half-way spoil
    what came before. A relative verifier may lose more.
    """
    candidates, scene = await bench.candidates(verifier), bench.scene
    whole = await told(verifier, candidates, scene)
    calls = whole.played.seen.calls
    for number in range(calls) if calls <= MOST_LOST else [calls * i // MOST_LOST for i in range(MOST_LOST)]:
        where = f"with call {number} of {calls} lost"
        one = await told(verifier, candidates, scene.behaving(loses=range(number, number + 1)))
        require(one.played.result.failures > 0, f"{where}, the loss must be counted", one.played.result.summary())
        changed = [a for a, b in zip(facts(one.scores), facts(whole.scores), strict=True) if a != b]
        require(verifier.is_relative or len(changed) <= 1, f"{where}, one score at most may change", changed)
        half = await told(verifier, candidates, scene.behaving(loses=range(number, EVER)))
        lost = calls - number
        changed = [a for a, b in zip(facts(half.scores), facts(whole.scores), strict=True) if a != b]
        rule = f"with calls lost from {number} of {calls} on, {lost} scores at most may change"
        require(verifier.is_relative or len(changed) <= lost, rule, changed)


async def survives_mangled_replies(verifier: Verifier, bench: Bench = Bench()) -> None:
    """A judge that writes half a reply, two or huge numbers: sound scores, and nothing raised.

    Nothing at all and garbage give no score, where all that the verifier asks for is written.
    """
    candidates, says = await bench.candidates(verifier), bench.says or (lambda prompt: "1")
    for text in NO_REPLIES:
        found = await told(verifier, candidates, bench.scene.behaving(says=lambda _, text=text: text))
        is_guessed = any(score.value is not None and score.usage.verifier_calls for score in found.scores)
        is_written = found.played.seen.written == found.played.seen.calls
        require(not (is_written and is_guessed), f"a reply {text[:20]!r} must give no score", found.scores)
    for mangle in MANGLED:

        def garbled(prompt: str, mangle: Callable[[str], str] = mangle) -> str:
            return mangle(says(prompt))

        await told(verifier, candidates, bench.scene.behaving(says=garbled))
    await told(verifier, candidates, bench.scene.behaving(says=None))


async def judging_ignores_order_of_arrival(verifier: Verifier, bench: Bench = Bench()) -> None:
    """The same bytes whatever is in flight at once and whatever ends first, under tight budgets and faults too."""
    await ignores_order_of_arrival(Judged.of(verifier, await bench.candidates(verifier)), bench.scene)


async def judging_ends_at_the_deadline(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Calls that never return are cut off at the deadline, and so is what takes long without any."""
    strategy, clock = Judged.of(verifier, await bench.candidates(verifier)), asyncio.get_running_loop().time
    if (await play(strategy, bench.scene)).seen.calls:
        await ends_at_the_deadline(strategy, bench.scene)
    for seconds in (0.001, DEADLINE_S):
        began = clock()
        await play(strategy, bench.scene.but(budget=Budget(seconds=seconds)))
        took = clock() - began
        require(took < LATEST_S, f"with {seconds} s, judging must end at the deadline", f"{took:.2f} s")


async def judging_leaves_nothing_behind(verifier: Verifier, bench: Bench = Bench()) -> None:
    """Cancelled at any turn of the event loop: no task, reservation or call is left, and what was sent is charged."""
    strategy = Judged.of(verifier, await bench.candidates(verifier))
    await leaves_nothing_behind(strategy, bench.scene, FEW_MOMENTS if bench.is_slow else MOMENTS)
