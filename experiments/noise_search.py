"""What search over noise makes of network evaluations, next to more denoising steps.

    python experiments/noise_search.py

The embedded flow model of digits is told nothing of what is asked; a weak classifier steers, and judges that no search
has seen tell how many images show the digit asked for, how far they are from real ones, and how varied they are. Random
search, zero-order search, search over paths, SVDD, Feynman-Kac steering, rollover budget forcing and others get 32 to
512 network evaluations a prompt, on 3 seeds of 200 prompts each. Then the same images are chosen by verifiers of which
some mislead. Settings are chosen on a pilot of another seed. Writes a report, figures (with matplotlib, the extra
`plot`) and all numbers to `experiments/results/noise_search*`. The exit status tells whether more steps stop helping
while the best stepwise search at 64 evaluations beats random search at 512.

Takes about an hour of one core. Stopped, it goes on where it was: what is made is kept under
`runs/noise_search`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from noise_search_study import figures, pictures
from noise_search_study.cells import Made, gathered, worked
from noise_search_study.duels import BEST, duels
from noise_search_study.engines import engines
from noise_search_study.hacking import FAITHFUL, HACKED, hacked
from noise_search_study.lineup import MAIN, PROMPTS, SIDE, cells
from noise_search_study.measured import Point, point, real_likeness
from noise_search_study.methods import STEPS, Method
from noise_search_study.pilot import PILOT, PILOT_PROMPTS, PILOT_SEEDS
from noise_search_study.report import Found, is_met, numbers, summary, written

RESULTS = Path(__file__).parent / "results" / "noise_search"
RUNS = Path("runs") / "noise_search"
SHOWN = (*((name, 64) for name in ("steps", "random", "zero_order", "paths", "svdd", "rollover")), ("pool_spread", 512))

AllMade = Mapping[tuple[str, int], Sequence[Made]]


def main() -> int:
    """Run what is missing, and tell what came of it."""
    tried = cells(PILOT, PILOT_SEEDS, PILOT_PROMPTS)
    compared = cells((*MAIN, *HACKED, *FAITHFUL, *SIDE))
    asyncio.run(worked(tried, engines(), RUNS / "pilot"))
    asyncio.run(worked(compared, engines(), RUNS))
    return told(gathered(tried, RUNS / "pilot"), gathered(compared, RUNS))


def told(tried: AllMade, made: AllMade) -> int:
    """Compare what was made, and write what it says."""
    found = Found(
        points=points((*MAIN, *SIDE), made),
        pilot=points(PILOT, tried),
        duels=duels(made),
        hacked=hacked(made),
        faithful=hacked(made, FAITHFUL),
        spends=spends(made),
        real=real_likeness(PROMPTS),
    )
    RESULTS.with_suffix(".md").write_text(written(found), encoding="utf-8")
    RESULTS.with_suffix(".json").write_text(json.dumps(numbers(found), indent=1) + "\n")
    if find_spec("matplotlib"):
        draw(found, made)
    else:
        print('no figures: matplotlib is not installed; pip install "ponder[plot]"', file=sys.stderr)
    print(summary(found))
    return 0 if is_met(found.duels) else 1


def points(methods: Sequence[Method], made: AllMade) -> list[Point]:
    """What was measured of every method at every size."""
    where = [(method, nfe) for method in methods for nfe in method.sizes if (method.name, nfe) in made]
    return [point((method.name, method.title), nfe, made[method.name, nfe]) for method, nfe in where]


def spends(made: AllMade) -> dict[str, list[float]]:
    """Proposals at each place of the grid, a prompt, of the methods that decide how many; places start after noise."""
    told = {where: [part.tries for part in parts if part.tries] for where, parts in made.items()}
    return {f"{name} at {nfe}": list(np.mean(tries, axis=0)) for (name, nfe), tries in told.items() if tries}


def draw(found: Found, made: AllMade) -> None:
    """The figures, beside the report."""
    figures.scaling(found.points, _file("scaling"))
    figures.hacking(found.hacked, _file("hacking"))
    titles = {each.name: each.title for each in (*MAIN, *HACKED)}
    shown = {f"{titles[name]}, {nfe}": made[name, nfe][0].images for name, nfe in SHOWN if (name, nfe) in made}
    sheet = {title: pictures.by_digit(each) for title, each in (shown | {"real digits": pictures.real()}).items()}
    figures.sheet(sheet, _file("images"), [str(digit) for digit in range(10) for _ in range(pictures.EACH)])
    (best,) = (method for method in MAIN if method.name == BEST)
    ways = asyncio.run(pictures.trajectories(best, 64, engines(), range(10), 0))
    figures.sheet(ways, _file("trajectory"), [*(f"{1 - place / STEPS:g}" for place in range(STEPS)), "image"])


def _file(name: str) -> Path:
    return RESULTS.with_name(f"{RESULTS.name}_{name}.png")


if __name__ == "__main__":
    sys.exit(main())
