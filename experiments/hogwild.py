"""Workers that share one cache: does what one writes reach the others, and what does it buy?

    python experiments/hogwild.py

The embedded model abacus-workers on 300 held-out problems of three kinds: chains of arithmetic that divide among
workers, one chain that does not, and relays, whose answer only another worker has been told. Workers over a shared
cache (Hogwild!, Rodionov et al. 2025, arXiv 2504.06261) against the same workers blind to each other, against one chain
at equal passes, and against as many independent chains and a vote at equal passes and tokens. Writes a report, a figure
(with matplotlib, the extra `plot`) and all numbers to `experiments/results/hogwild*`, win or lose. The exit status
tells whether relays show that a worker answers from what only another wrote.

Takes about twelve minutes on two cores. Stopped, it goes on where it was: what is drawn is kept under `runs/hogwild`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path

from hogwild_study import figures, report
from hogwild_study.measured import cells, duels, is_transmitted, points
from hogwild_study.outcomes import worked

PROBLEMS, SEED = 300, 0
RESULTS = Path(__file__).parent / "results" / "hogwild"
JOURNAL = Path("runs") / "hogwild" / "drawn.db"


def main() -> int:
    """Run what is missing, compare, and write what it says."""
    outcomes = asyncio.run(worked(cells(), PROBLEMS, SEED, JOURNAL))
    found, less = points(outcomes), duels(outcomes)
    facts = f"{PROBLEMS} held-out problems of each kind, temperature 1."
    RESULTS.with_suffix(".md").write_text(report.written(found, less, facts), encoding="utf-8")
    RESULTS.with_suffix(".json").write_text(json.dumps(report.numbers(found, less, facts), indent=1) + "\n")
    if find_spec("matplotlib"):
        figures.draw(found, RESULTS)
    else:
        print('no figure: matplotlib is not installed; pip install "ponder[plot]"', file=sys.stderr)
    print(report.summary(found, less))
    return 0 if is_transmitted(found) else 1


if __name__ == "__main__":
    sys.exit(main())
