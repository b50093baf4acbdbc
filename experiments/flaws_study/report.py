"""The report in Markdown, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.orchestrator.intervals import Interval

from .comparison import PILOT_ATTEMPTS, TRIES, WRONG_COSTS, By, Comparison


def written(comparisons: Sequence[Comparison], facts: str) -> str:
    """The whole report."""
    parts = [_head(facts), *(_part(by, [each for each in comparisons if each.by == by]) for by in PILOT_ATTEMPTS)]
    return "\n".join(parts)


def numbers(comparisons: Sequence[Comparison], facts: str) -> dict[str, Any]:
    """Everything that was predicted and measured."""
    return {
        "facts": facts,
        "tries": TRIES,
        "settings": [_numbers(each) for each in comparisons],
        "held": {by: f"{_held(comparisons, by)} of {_count(comparisons, by)}" for by in PILOT_ATTEMPTS},
    }


def summary(comparisons: Sequence[Comparison]) -> str:
    """How many settings went as predicted."""
    by_pools, count = _held(comparisons, "pools"), _count(comparisons, "pools")
    return (
        f"accuracy, ceiling and best number of attempts as predicted in {by_pools} of {count} settings by the pools, "
        f"and in {_held(comparisons, 'law')} by the law (wanted: 9 of 10)"
    )


def is_met(comparisons: Sequence[Comparison]) -> bool:
    """Whether nine of ten settings went as the pools predicted."""
    return 10 * _held(comparisons, "pools") >= 9 * _count(comparisons, "pools")


def _count(comparisons: Sequence[Comparison], by: By) -> int:
    return sum(each.by == by for each in comparisons)


def _held(comparisons: Sequence[Comparison], by: By) -> int:
    return sum(each.is_held for each in comparisons if each.by == by)


def _head(facts: str) -> str:
    return f"""# Erring verifiers: predicted and measured

Made by `python experiments/flaws.py`. {facts}

Attempts are made until the verifier accepts one, K at most; where it accepts none, no answer is given. A pilot set
predicts what that gives on other tasks; then it is measured there. A wrong answer costs 0, 0.5, 1, 2 or 4 times what a
right one is worth. Intervals hold what as many held-out tasks should show, all those of a setting at once in 95 %
of cases: its accuracies at every K, its ceiling, and the best K at each cost.

![Accuracy against attempts, with the ceiling](flaws_ceiling.png)

![Value against attempts where a wrong answer costs](flaws_bend.png)
"""


TITLES: dict[By, str] = {
    "pools": """## Predicted by pools

64 attempts at each pilot task, as at the held-out ones; nothing is assumed but that the tasks are alike.
""",
    "law": """## Predicted by the law

16 attempts at each pilot task and the closed form of Stroebl et al. with one completeness and one soundness for all
tasks, which reaches beyond the attempts that were drawn. Where the verifier errs more on some tasks than on others, as
a test of the first half of the steps does, its assumption fails, and so may the prediction.
""",
}


def _part(by: By, comparisons: Sequence[Comparison]) -> str:
    head = (
        "| data | verifier | completeness | soundness | accuracy at 1 | at 64 | predicted at 64 | ceiling | predicted "
        "| best K by cost 0 / 0.5 / 1 / 2 / 4 | predicted | as predicted |\n" + "|---" * 12 + "|"
    )
    rows = [_row(each) for each in comparisons]
    return "\n".join([TITLES[by], head, *rows, ""])


def _row(each: Comparison) -> str:
    best = " / ".join(_range(each.best(cost)) for cost in WRONG_COSTS)
    wanted = " / ".join(_band(each.curves[cost].best, "{:.0f}") for cost in WRONG_COSTS)
    cells = [
        each.setting.data,
        each.setting.verifier,
        _band(each.pilot.completeness),
        _band(each.pilot.soundness),
        f"{each.right[0]:.3f}",
        f"{each.right[-1]:.3f}",
        _band(each.curves[0.0].accuracy[-1]),
        f"{each.ceiling[1]:.3f}",
        _band(each.ceiling[0]),
        best,
        wanted,
        "yes" if each.is_held else f"no: {_why(each)}",
    ]
    return f"| {' | '.join(cells)} |"


def _why(each: Comparison) -> str:
    missed = [] if each.is_accuracy_held else ["accuracy"]
    missed += [] if each.is_ceiling_held else ["ceiling"]
    missed += [f"best K at cost {cost:g}" for cost in WRONG_COSTS if not each.is_best_held(cost)]
    return ", ".join(missed)


def _range(best: Sequence[int]) -> str:
    return str(best[0]) if len(best) == 1 else f"{best[0]} to {best[-1]}"


def _band(each: Interval, form: str = "{:.3f}") -> str:
    return f"{form.format(each.mean)} [{form.format(each.low)}, {form.format(each.high)}]"


def _numbers(each: Comparison) -> dict[str, Any]:
    return {
        "data": each.setting.data,
        "verifier": each.setting.verifier,
        "by": each.by,
        "completeness": _three(each.pilot.completeness),
        "soundness": _three(each.pilot.soundness),
        "ceiling": {"predicted": _three(each.ceiling[0]), "measured": round(each.ceiling[1], 4)},
        "accuracy": {
            "predicted": [_three(point) for point in each.curves[0.0].accuracy],
            "measured": [round(value, 4) for value in each.right],
        },
        "best_attempts": {
            f"{cost:g}": {
                "predicted": _three(each.curves[cost].best),
                "measured": each.best(cost),
                "value_lost": round(each.regret(cost), 4),
            }
            for cost in WRONG_COSTS
        },
        "is_held": each.is_held,
    }


def _three(each: Interval) -> list[float]:
    return [round(value, 4) for value in (each.mean, each.low, each.high)]
