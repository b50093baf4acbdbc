"""The report in Markdown: what beats equal-cost voting and Best-of-N, what does not, and at what price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Any

from .comparisons import Duel, Point
from .ladders import LADDERS, LEFT_OUT
from .outcomes import BASELINES, BINS, METHODS, Study, titles

STEPS = {"easy": "1-2 steps", "middle": "3-5 steps", "hard": "6-8 steps"}
UNITS = {"flops": "FLOPs, judging included", "completion_tokens": "generated tokens"}
MARKS = {"beats": "**beats**", "ties": "ties", "loses": "loses"}


def written(study: Study, points: Sequence[Point], duels: Sequence[Duel], wanted: dict[str, Any], facts: str) -> str:
    """The whole report."""
    parts = [_head(study, facts), _summary(duels), _wanted(wanted), _verdicts(duels, "flops"), _legend()]
    parts += [_verdicts(duels, "completion_tokens"), _sizes(points), _left_out(), _costs()]
    return "\n".join(parts)


def _head(study: Study, facts: str) -> str:
    plan = study.plan
    return f"""# Strategies on abacus problems

Made by `python experiments/strategies_on_abacus.py`. {facts}

Every strategy that can work on a model of arithmetic, at eight sizes each, on {plan.problems} held-out problems of 1 to
8 steps (as many of each), with {len(plan.seeds)} seeds. Intervals are at 95 %, from resampled problems; the seeds of a
problem are averaged first. Differences are taken problem by problem.

![Accuracy against generated tokens](strategies_on_abacus_tokens.png)

![Accuracy against FLOPs](strategies_on_abacus_flops.png)
"""


def _verdict(duels: Sequence[Duel], name: str, bin_name: str, measure: str) -> str:
    """Against vote and Best-of-N both (and against the other where it is one of the two)."""
    found = [
        duel.verdict
        for duel in duels
        if (duel.strategy, duel.bin, duel.measure) == (name, bin_name, measure) and duel.baseline != BASELINES[2]
    ]
    if all(each == "beats" for each in found):
        return "beats"
    return "loses" if "loses" in found else "ties"


def _summary(duels: Sequence[Duel]) -> str:
    text = (
        "A strategy beats them where its accuracy, averaged over its sizes, is surely above that of the majority vote "
        "and that of Best-of-N by the reward model, both of the same cost; it loses where it is surely below one of "
        "them; else it ties. Judging step by step reads much, which FLOPs count and generated tokens do not."
    )
    head = ["## Which strategies beat voting and Best-of-N of the same cost", "", _filled(text), ""]
    return "\n".join([*head, *_lists(duels, "flops"), *_lists(duels, "completion_tokens")])


def _lists(duels: Sequence[Duel], measure: str) -> Iterator[str]:
    yield f"### At equal {UNITS[measure]}\n"
    names = list(dict.fromkeys(duel.strategy for duel in duels))
    for bin_name, steps in STEPS.items():
        yield f"**{bin_name.capitalize()} problems ({steps}).**"
        for verdict in MARKS:
            found = [titles()[name] for name in names if _verdict(duels, name, bin_name, measure) == verdict]
            yield f"- {verdict}: {'; '.join(found) or 'none'}"
        yield ""


def _verdicts(duels: Sequence[Duel], measure: str) -> str:
    lines = [
        f"## Differences at equal {UNITS[measure]}",
        "",
        "Accuracy less that of the baseline that costs as much, in points, averaged over the sizes.",
        "",
        "| strategy | bin | " + " | ".join(f"against {titles()[name].lower()}" for name in BASELINES) + " |",
        "|---" * (2 + len(BASELINES)) + "|",
    ]
    for name in dict.fromkeys(duel.strategy for duel in duels):
        for bin_name in BINS:
            cells = [_cell(duels, name, bin_name, measure, baseline) for baseline in BASELINES]
            lines.append(f"| {titles()[name]} | {bin_name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _cell(duels: Sequence[Duel], name: str, bin_name: str, measure: str, baseline: str) -> str:
    for duel in duels:
        if (duel.strategy, duel.bin, duel.measure, duel.baseline) == (name, bin_name, measure, baseline):
            gap = duel.difference
            figure = f"{100 * gap.mean:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
            return f"{MARKS[duel.verdict]} {figure} ({duel.wins}/{duel.losses} of {duel.sizes})"
    return "-"


def _legend() -> str:
    return "In brackets: at how many of the sizes it is surely better, and at how many surely worse.\n"


def _wanted(wanted: dict[str, Any]) -> str:
    parts = (_stepwise(wanted["stepwise"]), _adaptive(wanted["adaptive"]), _pruning(wanted["pruning"]))
    return "\n\n".join(["## Figures that were wanted", *parts, ""])


def _stepwise(found: dict[str, Any]) -> str:
    text = (
        f"**Stepwise search at a quarter of the tokens: {_said(found)}.** Weighted Best-of-{found['draws']} by the "
        f"reward model is right on {found['accuracy']:.3f} of the middle problems with {found['tokens']:.0f} tokens. "
        "With at most a quarter of them:"
    )
    rows = (
        f"| {titles()[row['strategy']]} | {row['size']:g} | {row['accuracy']:.3f} | {_gap(row['difference'])} | "
        f"{row['share of tokens']:.2f} | {row['share of FLOPs']:.2f} |"
        for row in found["within a quarter"]
    )
    table = [*_header("strategy", "size", "accuracy", "difference", "tokens", "FLOPs"), *rows]
    nearest = ["", _filled(_nearest(found))] if found["within a quarter"] else []
    return "\n".join([_filled(text), "", *table, *nearest])


def _nearest(found: dict[str, Any]) -> str:
    """The best within a quarter of the tokens, and what the same tokens buy without steps."""
    row = max(found["within a quarter"], key=lambda row: row["accuracy"])
    told = "cannot be told apart from it" if row["is_tied"] else "differs from it"
    return (
        f"Nearest is {titles()[row['strategy']]} at size {row['size']:g}, which on these problems {told}. Weighted "
        f"Best-of-{found['quarter']}, at the same tokens, is right on {found['accuracy at a quarter']:.3f}."
    )


def _adaptive(found: dict[str, Any]) -> str:
    text = (
        f"**Three quarters of Best-of-16's gain with two samples: {_said(found)}.** Self-evaluation chooses; one "
        f"sample is right on {found['one sample']:.3f}, the best of 16 on {found['best of 16']:.3f}. More is not "
        f"always better: up to 16, the best of {found['peak']} is right most often, on {found['best at the peak']:.3f}."
    )
    rows = (
        f"| {row['threshold']:g} | {row['samples']:.2f} | {row['accuracy']:.3f} | {_share(row['share of the gain'])} | "
        f"{_share(row['share of the peak gain'])} |"
        for row in found["thresholds"]
    )
    columns = ("threshold", "samples", "accuracy", "share of the gain of 16", "share of the peak's gain")
    return "\n".join([_filled(text), "", *_header(*columns), *rows])


def _pruning(found: dict[str, Any]) -> str:
    kept, half = found["of"]
    text = (
        f"**Half pruned early for less than a point: {_said(found)}**, at {kept} of the {half} sizes that prune as "
        "many. The difference is to Best-of-N with the same judge and as many streams."
    )
    rows = (
        f"| {titles()[row['strategy']]} | {row['n']:g} | {row['pruned']:.0%} | {row['share of tokens']:.2f} | "
        f"{row['accuracy']:.3f} | {row['unpruned']:.3f} | {_gap(row['difference'])} |"
        for row in found["rows"]
    )
    columns = ("strategy", "streams", "pruned", "tokens", "accuracy", "unpruned", "difference")
    return "\n".join([_filled(text), "", *_header(*columns), *rows])


def _filled(text: str) -> str:
    return fill(text, 119, break_long_words=False, break_on_hyphens=False)


def _header(*columns: str) -> tuple[str, str]:
    return f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"


def _said(found: dict[str, Any]) -> str:
    return "reached" if found["reached"] else "not reached"


def _gap(values: Sequence[float]) -> str:
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in values))


def _share(values: Sequence[float]) -> str:
    return "{:.0%} [{:.0%}, {:.0%}]".format(*values)


def _sizes(points: Sequence[Point]) -> str:
    lines = [
        "## Every strategy at every size",
        "",
        "Tokens and FLOPs are means over all problems.",
        "",
        "| strategy | size | tokens | MFLOPs | calls | judgements | all | easy | middle | hard |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *_size_rows(points), ""])


def _size_rows(points: Sequence[Point]) -> Iterator[str]:
    at: dict[tuple[str, float], dict[str, Point]] = {}
    for point in points:
        at.setdefault((point.strategy, point.size), {})[point.bin] = point
    for (name, size), bins in at.items():
        cost = bins["all"].costs
        title = METHODS[name].title if name in METHODS else LADDERS[name].title
        accuracies = (
            f"{each.accuracy.mean:.3f} ± {(each.accuracy.high - each.accuracy.low) / 2:.3f}"
            for each in (bins[bin_name] for bin_name in BINS)
        )
        figures = f"{cost['completion_tokens']:.0f} | {cost['flops'] / 1e6:.0f} | {cost['calls']:.1f}"
        yield f"| {title} | {size:g} | {figures} | {cost['verifier_calls']:.1f} | {' | '.join(accuracies)} |"


def _left_out() -> str:
    lines = ["## Not applicable", ""]
    return "\n".join([*lines, *(f"- `{name}`: {why}" for name, why in LEFT_OUT.items()), ""])


def _costs() -> str:
    return """## How cost is counted

- FLOPs come from the models' shapes, a multiply-add as two, by `ModelShape`: linear layers, attention and unembedding
  of the generator, and all that the judges read.
- A prefix cache is counted as if it forgot nothing within an answer: a draw that goes on from a text computes only the
  last token before it. A first draw of a problem finds nothing, so that every fresh sample reads the problem again. The
  reward model reads everything anew at each judgement; equal texts are judged once.
- A judgement by self-evaluation is one generated token, and counts as one.
- Majority vote, Best-of-N and their weighted forms at N are estimated without bias from one pool of 128 draws a seed;
  their cost is that of a fresh run, equal texts judged once. All other strategies were run.
- Equal cost means equal on average over the problems of a bin. Between two sizes of a baseline its accuracy is
  interpolated in the logarithm of the cost. What costs more than the baseline's largest size (128 draws) is compared
  with that size, and what costs less than one draw with one draw.
"""
