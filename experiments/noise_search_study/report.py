"""The report in Markdown, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

from ponder.orchestrator.intervals import Interval

from .duels import HEADLINE, SATURATED, SCALED, Duel
from .hacking import Hacked
from .lineup import SIZES
from .measured import Point


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured.

    Args:
        points: the methods that are compared.
        pilot: the settings that were tried out before.
        duels: one method against another.
        hacked: the same images chosen by each verifier.
        faithful: the conditional model searched by a score that is blind to the digit.
        spends: of a method at a size, evaluations at each place of the grid.
        real: Frechet distance, precision and recall of as many real digits as a seed has prompts.
    """

    points: Sequence[Point]
    pilot: Sequence[Point]
    duels: Sequence[Duel]
    hacked: Sequence[Hacked]
    faithful: Sequence[Hacked]
    spends: Mapping[str, Sequence[float]]
    real: Mapping[str, Interval]


def written(found: Found) -> str:
    """The whole report."""
    parts = (_head(found), _accuracies(found.points), _duels(found.duels), _spends(found), _hacked(found))
    return "\n".join((*parts, _everything("Everything that was measured", found.points), _pilot(found.pilot)))


def numbers(found: Found) -> dict[str, Any]:
    """The same as data."""
    return {
        "is_met": is_met(found.duels),
        "points": [_rounded(asdict(point)) for point in found.points],
        "duels": [_rounded(asdict(duel)) for duel in found.duels],
        "hacked": [_rounded(asdict(each)) for each in found.hacked],
        "faithful": [_rounded(asdict(each)) for each in found.faithful],
        "spends": _rounded(dict(found.spends)),
        "real": {name: _rounded(asdict(each)) for name, each in found.real.items()},
        "pilot": [_rounded(asdict(point)) for point in found.pilot],
    }


def is_met(duels: Sequence[Duel]) -> bool:
    """Whether more steps stop helping, and the best stepwise search at 64 evaluations beats random search at 512."""
    told = {(duel.one, duel.other): duel for duel in duels}
    saturated, headline = told.get(SATURATED), told.get(HEADLINE)
    return headline is not None and headline.is_won and saturated is not None and not saturated.is_won


def summary(found: Found) -> str:
    """One line."""
    said = [
        f"{_where(duel.one)} less {_where(duel.other)}: {_points(duel)}"
        for duel in found.duels
        if (duel.one, duel.other) in (HEADLINE, SATURATED)
    ]
    return f"{'PASS' if is_met(found.duels) else 'FAIL'}: {'; '.join(said)} points of accuracy"


def _head(found: Found) -> str:
    prompts = max((point.prompts for point in found.points), default=0)
    near = {name: each.mean for name, each in found.real.items()}
    task = f"""Made by `python experiments/noise_search.py`. {prompts} prompts, 200 of each of three seeds, ask for the
digits 0 to 9 in turn. The embedded model digits-flow is told none of that: it draws any digit, and a *weak* classifier,
trained on 60 images, is all that a search can go by. An image takes 8 steps, but where more steps are what is tried,
and every method at most the same number of network evaluations (NFE) a prompt, enforced by the budget."""
    figures = f"""*Right* is the share of images that a support vector machine takes for the digit asked for; it was
trained on all images and no search has seen it. *Judge* is the same by a network, whose features also give the Frechet
distance (to all 1,797 real digits) and precision and recall (against as many real digits), of the 200 images of a seed
at a time, a mean over seeds. Real digits have {near["frechet"]:.1f}, {near["precision"]:.2f} and {near["recall"]:.2f}.
*Score* is the weak classifier's log-probability, what searches go by. Intervals are at 95 %: over prompts, and for
Frechet distance, precision and recall by a jackknife over twentieths of the images. Seconds are of one processor, and
were measured while it did other work too. Settings were chosen on a pilot of another seed, told at the end."""
    parts = ("# Search over noise, and more denoising steps", fill(task, 120), fill(figures, 120), _findings(found))
    return "\n\n".join((*parts, FIGURES))


FIGURES = """![Accuracy and Frechet distance at equal evaluations](noise_search_scaling.png)

![What methods made of the same prompts](noise_search_images.png)
"""


def _findings(found: Found) -> str:
    told = {(duel.one, duel.other): duel for duel in found.duels}
    lines = [
        f"- {title}: {_points(told[pair])} points of accuracy."
        for title, pair in (
            ("More denoising steps, 512 instead of 32", SATURATED),
            ("Random search, 512 evaluations instead of 32", SCALED),
            ("SVDD at 64 evaluations less random search at 512", HEADLINE),
        )
        if pair in told
    ]
    rivals = [duel for duel in found.duels if (duel.one[0], duel.other[0]) == ("rollover", "svdd")]
    if rivals:
        gaps = ", ".join(f"{_points(duel)} at {duel.one[1]}" for duel in rivals)
        lines.append(f"- Rollover budget forcing less SVDD, at equal evaluations: {gaps}.")
    return "\n".join(fill(line, 120, subsequent_indent="  ") for line in lines)


def _accuracies(points: Sequence[Point]) -> str:
    lines = [
        "## Right digits at equal evaluations",
        "",
        "| | " + " | ".join(map(str, SIZES)) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    for name, title in dict.fromkeys((point.method, point.title) for point in points):
        mine = {point.nfe: point.svc for point in points if point.method == name}
        lines.append(f"| {title} | " + " | ".join(_share(mine[nfe]) if nfe in mine else "" for nfe in SIZES) + " |")
    return "\n".join([*lines, ""])


def _duels(duels: Sequence[Duel]) -> str:
    lines = [
        "The first less the second, in points, on the same prompts; bold where it is surely not zero.",
        "",
        "| first | second | difference |",
        "|---|---|---|",
    ]
    lines += [f"| {_where(duel.one)} | {_where(duel.other)} | {_points(duel)} |" for duel in duels]
    return "\n".join([*lines, ""])


def _spends(found: Found) -> str:
    if not found.spends:
        return ""
    width = max(map(len, found.spends.values()))
    lines = [
        "## Where rollover budget forcing spends",
        "",
        "Proposals at each place of the grid, the first after noise; a mean over prompts. What is expected of a state",
        "gets better as its noise falls. By the published rules any gain ends a step, so that the last step, where the",
        "digit is long decided, is left with most; here a step must try more and gain more, and the rest goes back.",
        "",
        "| | " + " | ".join(map(str, range(1, width + 1))) + " | share of the last |",
        "|---|" + "---|" * (width + 1),
    ]
    for title, spent in found.spends.items():
        lines.append(
            f"| {title} | " + " | ".join(f"{each:.1f}" for each in spent) + f" | {spent[-1] / sum(spent):.2f} |"
        )
    return "\n".join([*lines, ""])


def _hacked(found: Found) -> str:
    head = "| searched by | images | own score | judge | right | Frechet | precision | recall |\n" + "|---" * 8 + "|"
    return f"""## Misled verifiers

The best of so many images by each verifier; the images to choose from are the same for all. The class-blind score is
the mean distance of pixels from grey. The rank ensemble is of the weak and the better classifier and the class-blind
score; its own score is that of the weak one. Compare the judge's accuracy with that of the machine where the judge
itself is searched by.

![The same images chosen by each verifier](noise_search_hacking.png)

{head}
{_rows(found.hacked)}

The conditional model, which needs no search, searched by the class-blind score with SVDD; one image is without search.

{head}
{_rows(found.faithful)}

![How SVDD comes to an image](noise_search_trajectory.png)
"""


def _rows(found: Sequence[Hacked]) -> str:
    return "\n".join(
        f"| {each.verifier} | {each.n} | {_share(each.score)} | {each.point.judge.mean:.3f} | {_share(each.point.svc)} "
        f"| {_figure(each.point.frechet)} | {each.point.precision.mean:.2f} | {_share(each.point.recall)} |"
        for each in found
    )


def _pilot(points: Sequence[Point]) -> str:
    return _everything("Pilot: settings tried out before, on seeds of their own", points)


def _everything(title: str, points: Sequence[Point]) -> str:
    lines = [
        f"## {title}",
        "",
        "| method | NFE | prompts | spent | looks | seconds | score | judge | right | Frechet | precision | recall |",
        "|---" * 12 + "|",
    ]
    for point in points:
        likeness = f"{_figure(point.frechet)} | {_share(point.precision)} | {_share(point.recall)}"
        cost = f"{point.nfe} | {point.prompts} | {point.spent:.1f} | {point.calls:.1f} | {point.seconds:.3f}"
        lines.append(
            f"| {point.title} | {cost} | {_share(point.score)} | {_share(point.judge)} | {_share(point.svc)} "
            f"| {likeness} |"
        )
    return "\n".join([*lines, ""])


def _where(where: tuple[str, int]) -> str:
    return f"{where[0]} at {where[1]}"


def _points(duel: Duel) -> str:
    gap = duel.less.interval
    text = f"{100 * gap.mean:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    return text if duel.less.is_tied else f"**{text}**"


def _share(each: Interval) -> str:
    return f"{each.mean:.2f} [{each.low:.2f}, {each.high:.2f}]"


def _figure(each: Interval) -> str:
    return f"{each.mean:.1f} [{each.low:.1f}, {each.high:.1f}]"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
