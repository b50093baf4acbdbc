"""The study of erring verifiers: its settings, its comparison, and that the page tells its committed results."""

import json
from pathlib import Path

import numpy as np
from flaws_study import abacus_settings, comparison, human_eval_attempts, report
from flaws_study.abacus_attempts import Attempt
from flaws_study.human_eval_attempts import Programs
from flaws_study.setting import Setting

from ponder.verifiers.reliability import Judged

ROOT = Path(__file__).resolve().parents[2]
RIGHT, WRONG = "7*6=42\n42+1=43\n#43\n", "7*6=42\n42+1=53\n#53\n"


def drawn(tasks: int, attempts: int, accepts_wrong: float, seed: int = 0) -> list[list[Judged]]:
    rng = np.random.default_rng(seed)
    found = []
    for task in range(tasks):
        right = rng.random(attempts) < (0.1 + 0.1 * (task % 8))
        accepted = right | (rng.random(attempts) < accepts_wrong)
        found.append([Judged(str(task), bool(r), float(a)) for r, a in zip(right, accepted, strict=True)])
    return found


def test_weakened_verifiers_err_as_their_names_say() -> None:
    pools = [[Attempt("7*6+1=", text, "43", rewards) for text, rewards in ((RIGHT, (0.9, 0.8)), (WRONG, (0.95, 0.2)))]]
    judged = {each.verifier: [row.score for row in each.pools[0]] for each in abacus_settings.settings(pools)}
    assert judged["answer modulo 2"] == judged["answer modulo 10"] == [1.0, 1.0]
    assert judged["answer modulo 100"] == [1.0, 0.0]
    assert judged["reward of the last step, from .5"] == [0.8, 0.2]
    assert judged["least reward, from .5"] == [0.8, 0.2]
    assert [row.is_right for row in abacus_settings.settings(pools)[0].pools[0]] == [True, False]


def test_attempts_at_programs_have_the_accuracy_asked_for_and_thinned_tests_accept_all_that_is_right() -> None:
    programs = [Programs(f"t{i}", [[True] * 4, [True, True, True, False], [False] * 4]) for i in range(40)]
    for setting in human_eval_attempts.settings(programs):
        rows = [row for pool in setting.pools for row in pool]
        assert all(row.score == 1.0 for row in rows if row.is_right)
        assert any(row.score == 1.0 for row in rows if not row.is_right)
        shares = [np.mean([row.is_right for pool in setting.pools[i::5] for row in pool]) for i in range(5)]
        np.testing.assert_allclose(shares, human_eval_attempts.ACCURACIES, atol=0.06)


def test_a_prediction_holds_for_like_tasks_and_fails_for_other_tasks() -> None:
    like = Setting("made", "up", drawn(160, 64, 0.2))
    assert comparison.compared(like, "pools").is_held and comparison.compared(like, "law").is_held
    worse = drawn(160, 64, 0.9, seed=1)
    mixed = [pool if i // 8 % 2 == 0 else worse[i] for i, pool in enumerate(like.pools)]
    other = comparison.compared(Setting("made", "up", mixed), "pools")
    assert not other.is_ceiling_held and not other.is_held
    assert not report.is_met([other])


def test_the_committed_results_are_those_that_the_page_tells() -> None:
    told = json.loads((ROOT / "experiments" / "results" / "flaws.json").read_text())
    by_pools = [each for each in told["settings"] if each["by"] == "pools"]
    assert told["held"] == {
        by: f"{sum(each['is_held'] for each in told['settings'] if each['by'] == by)} of {len(by_pools)}"
        for by in ("pools", "law")
    }
    page = (ROOT / "docs" / "trust-your-verifier.md").read_text()
    assert f"in {told['held']['pools']}\n  settings" in page
    assert f"was right in {told['held']['law']}." in page
