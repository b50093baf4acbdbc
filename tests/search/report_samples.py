"""Reports made by hand: of a search that confirmed its choices, and of one that could not."""

from ponder.search.reports.axis_effects import Effect
from ponder.search.reports.frontier import Difference, Estimate, Point
from ponder.search.reports.report import Report
from ponder.search.reports.report_curve import Curve, CurveRow
from ponder.search.reports.report_level import Contest, Level
from ponder.search.reports.report_spending import Spending

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred\x1b]8;;http://evil\x07"
    "\u202e{{ 7*7 }}[bold]\x9b&amp;\"'"
)


def estimate(accuracy, items=80, reach=0.06):
    accuracy = min(1, max(0, accuracy))
    return Estimate(items=items, accuracy=accuracy, low=max(0, accuracy - reach), high=min(1, accuracy + reach))


def moved(mean, reach=0.04, items=80):
    return Difference(items=items, mean=mean, low=max(-1, mean - reach), high=min(1, mean + reach))


def point(name, calls, accuracy, confirmed=None, **more):
    parts = {f"{level} steps": estimate(accuracy * (1 - level / 20), 40) for level in (1, 2, 10)}
    given = {
        **estimate(accuracy, 120).model_dump(),
        "name": name,
        "composition": {"kind": "self_consistency", "n": max(1, round(calls)), "max_tokens": 48},
        "method": name.split()[0],
        "n": max(1, round(calls)),
        "cost": {"total_tokens": 50.0 * calls, "calls": float(calls), "flops": 1e9 * calls},
        "by_difficulty": parts,
        "confirmed": None if confirmed is None else estimate(confirmed),
    }
    return Point(**{**given, **more})


def points():
    return (
        point("single", 1, 0.40, 0.41, critical_path=1),
        point("vote 8", 8, 0.55, 0.54, critical_path=1),
        point("best 16", 16, 0.60, 0.57, critical_path=2),
        point("fused 7", 7, 0.64, 0.61, critical_path=3, replicates=4),
        point("fused 9", 9, 0.66, 0.62, critical_path=3, replicates=4),
        point("ranked 12", 12, 0.65, critical_path=3, replicates=2),
        point("archon 18", 18, 0.74, 0.70, critical_path=6, replicates=4),
        point("archon 19", 19, 0.62, items=30),
    )


def levels():
    contest = Contest(baseline="vote 8", difference=moved(0.08), is_tied=False)
    tie = Contest(baseline="best 16", difference=moved(0.03), is_tied=True)
    return (
        Level(limit=2, chosen="single"),
        Level(limit=10, chosen="fused 9", tied_with=("fused 7",), contest=contest),
        Level(limit=20, chosen="archon 18", contest=tie, tied_with=("ranked 12",)),
    )


def effects():
    return (
        Effect(axis="samples", before="2", after="4", pairs=12, difference=moved(0.052, 0.02, 120)),
        Effect(axis="samples", before="4", after="8", pairs=9, difference=moved(0.011, 0.02, 120)),
        Effect(axis="critic", before="False", after="True", pairs=6, difference=moved(-0.03, 0.025, 120)),
    )


def curve(pool="sample T=1", sizes=(1, 2, 4, 8)):
    found = []
    for i, n in enumerate(sizes):
        heights = {"average": 0.4, "best": 0.4 + 0.1 * i, "worst": 0.4 - 0.09 * i, "majority": 0.4 + 0.04 * i}
        heights["best_by_score"] = 0.4 + 0.05 * i
        found += [CurveRow(n=n, kind=kind, estimate=estimate(height)) for kind, height in heights.items()]
    return Curve(pool=pool, rows=tuple(found))


PHASES = {"pilot": 120, "search": 700, "replicates": 200, "confirmation": 180}
LEDGER = Spending(
    spent={"total_tokens": 250_000, "calls": 1200},
    fresh={"total_tokens": 1_000_000, "calls": 4800},
    phases={phase: {"calls": n} for phase, n in PHASES.items()},
    failures=7,
)


def report(**more):
    given = {
        "title": "A sweep",
        "data": "two hundred problems",
        "items": 120,
        "confirmation_items": 80,
        "seed": 7,
        "budget": {"calls": 2000},
        "points": points(),
        "levels": levels(),
        "baselines": ("single", "vote 8", "best 16"),
        "effects": effects(),
        "curves": (curve(), curve("sample T=0.5")),
        "ledger": LEDGER,
        "ended": "nothing left is worth its price",
        "outlook": ("ten times the budget: about +2 points [-1, +4]",),
        "by": "calls",
    }
    return Report(**{**given, **more})


def unconfirmed(**more):
    """The same search, ended before it confirmed anything."""
    bare = tuple(each.model_copy(update={"confirmed": None}) for each in points())
    why = "the budget ended before confirmation"
    kept = tuple(Level(limit=e.limit, chosen=e.chosen, tied_with=e.tied_with, not_confirmed=why) for e in levels())
    return report(**{"points": bare, "levels": kept, "ended": why, **more})
