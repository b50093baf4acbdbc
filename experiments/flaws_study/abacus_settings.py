"""Weakened verifiers of abacus attempts: tests with parts left out, and rewards with noise and thresholds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from ponder.orchestrator.data.abacus import correct_steps
from ponder.verifiers.reliability import Judged
from ponder.verifiers.rewards.aggregate import aggregate

from .abacus_attempts import Attempt
from .setting import Setting

Score = Callable[[Attempt], float]
DOUBT = 1e-6


def settings(pools: Sequence[Sequence[Attempt]]) -> list[Setting]:
    """Every weakened verifier, on these attempts."""
    return [Setting("abacus", name, _judged(pools, score), threshold) for name, score, threshold in VERIFIERS]


def _judged(pools: Sequence[Sequence[Attempt]], score: Score) -> list[list[Judged]]:
    return [[Judged(each.prompt, each.is_right, score(each)) for each in pool] for pool in pools]


def _agrees(modulus: int) -> Score:
    """A test of the answer's remainder alone."""

    def score(attempt: Attempt) -> float:
        return float(attempt.answer is not None and int(attempt.answer) % modulus == int(attempt.reference) % modulus)

    return score


def _begins_right(attempt: Attempt) -> float:
    """A test of the first half of the lines, the answer's included."""
    lines = attempt.text.count("\n")
    return float(attempt.answer is not None and 2 * correct_steps(attempt.prompt, attempt.text) >= lines)


def _last_reward(attempt: Attempt) -> float:
    return aggregate(attempt.rewards, "last") or 0.0


def _least_reward(attempt: Attempt) -> float:
    return aggregate(attempt.rewards, "min") or 0.0


def _noisy(deviation: float) -> Score:
    """The last reward with an error of so many logits, the same for equal attempts."""

    def score(attempt: Attempt) -> float:
        reward = min(max(_last_reward(attempt), DOUBT), 1 - DOUBT)
        key = hashlib.blake2b(f"{attempt.prompt}|{attempt.text}".encode(), digest_size=8).digest()
        chance = (int.from_bytes(key, "big") + 0.5) / 2**64
        logit = math.log(reward / (1 - reward)) + NormalDist().inv_cdf(chance) * deviation
        return 1 / (1 + math.exp(-logit))

    return score


VERIFIERS: list[tuple[str, Score, float]] = [
    ("answer modulo 2", _agrees(2), 0.5),
    ("answer modulo 10", _agrees(10), 0.5),
    ("answer modulo 100", _agrees(100), 0.5),
    ("first half of the steps", _begins_right, 0.5),
    ("reward of the last step, from .5", _last_reward, 0.5),
    ("reward of the last step, from .9", _last_reward, 0.9),
    ("least reward, from .5", _least_reward, 0.5),
    ("reward with an error of 1 logit", _noisy(1.0), 0.5),
    ("reward with an error of 3 logits", _noisy(3.0), 0.5),
]
