"""How far an erring verifier takes one: its ceiling and the best number of attempts, predicted and measured.

    python experiments/flaws.py

Attempts of the embedded generator at 160 held-out abacus problems, judged by tests with parts left out and by rewards
with noise; and programs for the 164 problems of HumanEval at controlled accuracy, judged by 1, 2 or 4 of their asserts.
A pilot half of the tasks predicts accuracy, ceiling and the best number of attempts where a wrong answer costs; the
other half shows what came. Writes a report, two figures (with matplotlib, the extra `plot`) and all numbers to
`experiments/results/flaws*`. The exit status tells whether 9 of 10 settings went as predicted.

Takes about fifteen minutes on two cores, most of it for the programs in their sandboxes. Stopped, it goes on where it
was: what is drawn and run is kept under `runs/flaws`.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from flaws_study import abacus_settings, figures, human_eval_attempts, report
from flaws_study.abacus_attempts import drawn
from flaws_study.comparison import PILOT_ATTEMPTS, compared

PROBLEMS, ATTEMPTS = 160, 64
RESULTS = Path(__file__).parent / "results" / "flaws"
RUNS = Path("runs") / "flaws"


def main() -> int:
    """Draw and run what is missing, compare, and write what it says."""
    attempts = drawn(PROBLEMS, ATTEMPTS, RUNS / "abacus.db")
    programs = human_eval_attempts.tested(RUNS / "human_eval")
    settings = abacus_settings.settings(attempts) + human_eval_attempts.settings(programs)
    comparisons = [compared(setting, by) for by in PILOT_ATTEMPTS for setting in settings]
    facts = (
        f"{PROBLEMS} abacus problems of 1 to 8 steps and {len(settings[-1].pools)} of HumanEval, {ATTEMPTS} attempts "
        f"at each; half of the tasks are pilot tasks. {sum(len(each.passed) for each in programs)} programs were run."
    )
    RESULTS.with_suffix(".md").write_text(report.written(comparisons, facts), encoding="utf-8")
    RESULTS.with_suffix(".json").write_text(json.dumps(report.numbers(comparisons, facts), indent=1) + "\n")
    if find_spec("matplotlib"):
        figures.draw([each for each in comparisons if each.by == "pools"], RESULTS)
    else:
        print('no figures: matplotlib is not installed; pip install "ponder[plot]"', file=sys.stderr)
    print(report.summary(comparisons))
    return 0 if report.is_met(comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
