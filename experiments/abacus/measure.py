"""What the trained family can do, on held-out problems: attempts, votes, the reward model and self-evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import comb
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ponder.orchestrator.data.abacus import MAX_STEPS, correct_steps, final_answer, problems

from . import vocabulary
from .attempts import Attempt, attempt, others_right
from .judges import cuts
from .llama import Generator, StepScorer
from .training import by_length

DRAWS = 64
SIZES = (1, 2, 4, 8, 16, 32, 64)
BATCH = 512
KINDS = ("whole", "step", "anywhere")

Floats = NDArray[np.float64]
Groups = list[list[Attempt]]
Rewards = Sequence[Sequence[float]]


def measure(generator: Generator, scorer: StepScorer, per_difficulty: int, seed: int) -> dict[str, Any]:
    """All figures, from `DRAWS` attempts at each of `per_difficulty` test problems of every difficulty."""
    difficulties = range(1, MAX_STEPS + 1)
    asked = list(islice(problems(difficulties, seed, "test"), per_difficulty * MAX_STEPS))
    groups = attempt(generator, asked, DRAWS, seed)
    every = iter(step_rewards(scorer, [one for group in groups for one in group]))
    scores = [[next(every) for _ in group] for group in groups]

    def by_difficulty(figure: Callable[[Sequence[Attempt], Rewards], float]) -> dict[str, float]:
        pairs = [(group[0].problem.steps, figure(group, given)) for group, given in zip(groups, scores, strict=True)]
        return {
            str(steps): round(float(np.mean([value for at, value in pairs if at == steps])), 4)
            for steps in difficulties
        }

    coverage = {f"pass@{k}": by_difficulty(partial(_pass_at, k)) for k in SIZES}
    votes = {f"vote@{k}": by_difficulty(partial(_voted, k)) for k in SIZES[1:]}
    ranked = {f"best-of-{k}": by_difficulty(partial(_best, k)) for k in SIZES[1:]}
    squares = by_difficulty(lambda group, _: pass_at(1, group) ** 2)
    return {
        "problems per difficulty": per_difficulty,
        "attempts per problem": DRAWS,
        "seed": seed,
        "generator": {
            **coverage,
            **votes,
            "pass@1 half-width of the 95 % interval": _half_width(coverage["pass@1"], squares, per_difficulty),
        },
        "reward model": {**ranked, "step AUC": step_auc(groups, scores)},
        "self-evaluation": self_evaluation(generator, groups, Random(seed)),
    }


def pass_at(k: int, group: Sequence[Attempt]) -> float:
    """The chance that one of k attempts is right, without bias (Chen et al. 2021)."""
    wrong = sum(not one.is_correct for one in group)
    return 1 - comb(wrong, k) / comb(len(group), k)


@torch.inference_mode()
def step_rewards(scorer: StepScorer, tried: Sequence[Attempt]) -> list[list[float]]:
    """The probability of class 1 at every step mark of every attempt."""
    prompts = [vocabulary.encode(one.problem.prompt) for one in tried]
    rows = [
        ([*prompt, *one.tokens], [index] * (len(prompt) + len(one.tokens)))
        for index, (prompt, one) in enumerate(zip(prompts, tried, strict=True))
    ]
    found: list[list[float]] = [[] for _ in tried]
    for ids, owner in by_length(rows, Random(0), BATCH):
        right = scorer(ids).softmax(-1)[..., 1]
        for row, index in enumerate(owner[:, 0].tolist()):
            begin = len(prompts[index]) - 1
            found[index] = [right[row, begin + mark].item() for mark in tried[index].marks]
    return found


def _pass_at(k: int, group: Sequence[Attempt], _: Rewards) -> float:
    return pass_at(k, group)


def _voted(k: int, group: Sequence[Attempt], _: Rewards) -> float:
    """The share of disjoint runs of k attempts whose most frequent answer is right."""
    answers = [_answer(one) for one in group]
    votes = [Counter(filter(None, answers[begin : begin + k])) for begin in range(0, len(group), k)]
    return float(np.mean([bool(vote) and vote.most_common(1)[0][0] == group[0].problem.answer for vote in votes]))


def _best(k: int, group: Sequence[Attempt], rewards: Rewards) -> float:
    """The share of disjoint runs of k attempts whose finished one with the highest last reward is right."""
    last = [given[-1] if _answer(one) is not None else -1.0 for one, given in zip(group, rewards, strict=True)]
    chosen = [max(range(begin, begin + k), key=last.__getitem__) for begin in range(0, len(group), k)]
    return float(np.mean([group[index].is_correct for index in chosen]))


def _answer(one: Attempt) -> str | None:
    return final_answer(one.text) if one.is_finished else None


def _half_width(mean: dict[str, float], square: dict[str, float], count: int) -> dict[str, float]:
    return {key: round(1.96 * float(np.sqrt((square[key] - mean[key] ** 2) / count)), 4) for key in mean}


def step_auc(groups: Groups, scores: list[list[list[float]]]) -> dict[str, float | None]:
    """AUC of a step's reward for 'every line up to here is right', overall and by step."""
    steps: list[tuple[int, bool, float]] = []
    for group, given in zip(groups, scores, strict=True):
        for one, rewards in zip(group, given, strict=True):
            good = correct_steps(one.problem.prompt, one.text)
            steps += [(at, at < good, reward) for at, reward in enumerate(rewards)]
    table = {"overall": _auc([(good, reward) for _, good, reward in steps])}
    for step in range(MAX_STEPS + 1):
        table[str(step + 1)] = _auc([(good, reward) for at, good, reward in steps if at == step])
    return table


@dataclass(frozen=True, slots=True)
class Case:
    """A prefix put to the question: the attempt, what kind of cut, and how often another attempt is better."""

    attempt: Attempt
    kind: str
    cut: int
    beaten: float
    is_beaten_by_next: bool


def self_evaluation(generator: Generator, groups: Groups, random: Random) -> dict[str, Any]:
    """How the probability of <yes>, 'starting over would do better', agrees with what the other attempts show."""
    cases = [case for group in groups for case in _cases(group, random)]
    said = restart_better(generator, cases)
    words = list(zip(cases, said.tolist(), strict=True))

    def right_at_equal_difficulty(kind: str) -> float:
        every = (
            [
                (case.attempt.is_correct, -word)
                for case, word in words
                if case.kind == kind and case.attempt.problem.steps == steps
            ]
            for steps in range(1, MAX_STEPS + 1)
        )
        return round(float(np.mean([found for found in map(_auc, every) if found is not None])), 4)

    tenths = calibration(said, np.array([case.beaten for case in cases]))
    error = sum(count * abs(mean - real) for mean, real, count in tenths) / len(said)
    return {
        "AUC of <yes> for a better next attempt": {
            kind: _auc([(case.is_beaten_by_next, word) for case, word in words if case.kind == kind]) for kind in KINDS
        },
        "AUC of <no> for a right answer at equal difficulty": {kind: right_at_equal_difficulty(kind) for kind in KINDS},
        "expected calibration error of <yes>": round(error, 4),
        "calibration of <yes>": [[round(mean, 3), round(real, 3), count] for mean, real, count in tenths],
    }


def _cases(group: list[Attempt], random: Random) -> list[Case]:
    """Three prefixes of each of the first eight attempts at a problem."""
    shares = list(others_right(group))
    return [
        Case(
            one, kind, cut, 0.0 if one.is_correct else shares[index], not one.is_correct and group[index + 1].is_correct
        )
        for index, one in enumerate(group[:8])
        for kind, cut in zip(KINDS, cuts(one, random), strict=True)
    ]


@torch.inference_mode()
def restart_better(generator: Generator, cases: Sequence[Case]) -> Floats:
    """P(<yes>) normalised over <yes> and <no> after each prefix and <eval>."""
    rows = []
    for index, case in enumerate(cases):
        ids = [*vocabulary.encode(case.attempt.problem.prompt), *case.attempt.tokens[: case.cut], vocabulary.EVAL]
        rows.append((ids, [index] * len(ids)))
    said = np.zeros(len(rows))
    for padded, owner in by_length(rows, Random(0), BATCH):
        last = (owner >= 0).sum(1) - 1
        logits = generator.lm_head(generator.model(padded)[torch.arange(len(padded)), last])
        said[owner[:, 0].numpy()] = logits[:, [vocabulary.YES, vocabulary.NO]].softmax(-1)[:, 0].numpy()
    return said


def calibration(said: Floats, truth: Floats, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean word, mean truth and count of each tenth of the cases, by what was said."""
    parts = np.array_split(np.argsort(said, kind="stable"), bins)
    return [(float(said[part].mean()), float(truth[part].mean()), len(part)) for part in parts]


def _auc(cases: Sequence[tuple[bool, float]]) -> float | None:
    """The chance that a true case has a higher value than a false one; None where all are alike."""
    truth, values = [true for true, _ in cases], [value for _, value in cases]
    return round(float(roc_auc_score(truth, values)), 4) if len(set(truth)) == 2 else None
