"""A function of the user: found by name, called with a limit, and believed only where it says something."""

import asyncio
import subprocess
import sys
import threading
import time
from functools import partial

import judges_by_hand as by_hand
import pytest
from judging import context, judge, judged
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Score, Usage
from ponder.verifiers import VERIFIERS, Function

HERE = "judges_by_hand"


def scores(verifier: Function, *texts: str) -> list[Score]:
    return asyncio.run(judged(verifier, texts, "ab"))


@pytest.mark.parametrize("function", [by_hand.length, by_hand.length_later])
def test_plain_and_async_functions_judge_each_text(function: object) -> None:
    verifier = Function.of(function)
    assert judge(verifier, ["abc", "", "a"], None) == [3.0, 0.0, 1.0]
    assert judge(verifier, ["a", "", "abc"], None) == [1.0, 0.0, 3.0]
    assert judge(verifier, [], None) == []


def test_the_query_is_known_to_it() -> None:
    found = scores(Function.of(by_hand.is_reference), "ab", "ba")
    assert found == [Score(1.0, kind="exact", scale="reward"), Score(0.0, kind="exact", scale="reward")]


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("true", Score(1.0, kind="exact", scale="reward")),
        ("int", Score(3.0, scale="reward")),
        ("float32", Score(0.5, scale="reward")),
        ("none", Score(None, detail=f"{HERE}:returns could not tell")),
        ("score", Score(0.25, (1.0, 2.0), "exact", "reward", "so it is", Usage())),
        ("no score", Score(None, detail="who knows")),
    ],
)
def test_what_it_may_return(said: str, score: Score) -> None:
    assert scores(Function.of(by_hand.returns), said) == [score]


@pytest.mark.parametrize("said", ["nan", "huge", "text", "list", "later"])
def test_anything_else_is_no_score(said: str) -> None:
    (score,) = scores(Function.of(by_hand.returns), said)
    assert score.value is None
    assert score.detail.startswith(f"{HERE}:returns must return a finite number, a bool, None or a Score, got ")


def test_a_probability_is_from_0_to_1() -> None:
    found = scores(Function.of(by_hand.returns, scale="probability"), "float32", "two", "true")
    assert [score.value for score in found] == [0.5, None, 1.0]
    assert found[0].scale == "probability"
    assert found[1].detail == f"{HERE}:returns must return a probability, a bool, None or a Score, got 2.0"


def test_all_that_it_returns_is_on_the_scale_declared() -> None:
    for scale, wanted, said in (("binary", "0 or 1", "float32"), ("probability", "a probability", "two")):
        verifier = Function.of(by_hand.returns, scale=scale)
        (verdict, other) = scores(verifier, "true", said)
        assert (verdict.value, verdict.scale, verdict.scale) == (1.0, scale, verifier.score_scale)
        assert other.value is None and f"must return {wanted}, a bool, None or a Score, got" in other.detail
    (score,) = scores(Function.of(by_hand.returns, scale="binary"), "score")
    assert score.value is None and "must return 0 or 1, a bool, None or a Score, got" in score.detail


def test_what_raises_loses_its_own_score_alone() -> None:
    found = scores(Function.of(by_hand.raises), "value", "stop", "exit", "time", "key")
    assert [score.value for score in found] == [None] * 5
    told = [score.detail.partition("raised ")[2].partition(":")[0] for score in found]
    assert told == ["ValueError", "RuntimeError", "RuntimeError", "TimeoutError", "KeyError"]
    assert all(len(score.detail) <= 200 for score in found)
    (score,) = scores(Function.of(by_hand.raises_later), "mine")
    assert score.detail == f"{HERE}:raises_later raised TimeoutError: mine"


@pytest.mark.parametrize("function", [by_hand.sleeps, by_hand.sleeps_later])
def test_what_takes_too_long_is_not_judged(function: object) -> None:
    began = time.monotonic()
    found = scores(Function.of(function, limit_s=0.3), "sleep", "wake")
    by_hand.held.set()
    assert time.monotonic() - began < 20
    assert [score.value for score in found] == [None, 1.0]
    assert found[0].detail == f"{HERE}:{function.__name__} took longer than 0.3 s"


def test_a_hung_function_does_not_keep_its_process() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(by_hand.__file__).removesuffix(HERE + '.py')!r})\n"
        "import judges_by_hand\nfrom judging import judge\nfrom ponder.verifiers import Function\n"
        "print(judge(Function.of(judges_by_hand.sleeps, limit_s=0.2), ['sleep'], None))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[None]", done.stderr


def test_few_calls_run_at_once_and_waiting_costs_no_time() -> None:
    texts = [str(i) for i in range(40)]
    found = scores(Function.of(by_hand.counted, limit_s=5), *texts)
    assert [score.value for score in found] == [float(text) for text in texts]
    assert 1 < by_hand.most <= 8


def test_a_text_is_judged_once_and_again_after_a_revision() -> None:
    async def calls() -> list[float | None]:
        ctx = context()
        verifiers = [Function.of(tally), Function.of(tally), Function.of(tally, revision="2")]
        return [(await judged(each, ["a"], None, ctx))[0].value for each in verifiers]

    assert asyncio.run(calls()) == [1.0, 1.0, 2.0]


_seen: list[str] = []


def tally(text: str, query: object) -> int:
    _seen.append(text)
    return len(_seen)


def test_it_is_saved_by_name_and_imported_only_when_needed() -> None:
    verifier = VERIFIERS.build({"kind": "function", "function": "this_is_not:here", "limit_s": 2})
    assert verifier == Function(function="this_is_not:here", limit_s=2)
    assert VERIFIERS.build(verifier.model_dump(mode="json")) == verifier
    loaded = VERIFIERS.build({"kind": "function", "function": "antigravity:fly"})
    assert "antigravity" not in sys.modules
    assert loaded.name == "function:antigravity:fly"


def test_of_derives_the_path() -> None:
    assert Function.of(by_hand.length) == Function(function=f"{HERE}:length")
    assert Function.of(by_hand.Holder.inner) == Function(function=f"{HERE}:Holder.inner")
    assert Function.of(threading.get_ident, scale="logit").function == "_thread:get_ident"


def test_of_refuses_what_has_no_name() -> None:
    def local(text: str, query: object) -> float:
        return 1.0

    for function in (lambda text, query: 1.0, by_hand.a_lambda, local, by_hand.Holder().method, partial(local, "a")):
        with pytest.raises(UsageError, match="a function that judges must be found by its module and name, but "):
            Function.of(function)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("no_such_module:f", "a function must be importable at 'no_such_module:f', but: ModuleNotFoundError"),
        (f"{HERE}:missing", "but: AttributeError: module 'judges_by_hand' has no attribute 'missing'; mend the path"),
        (f"{HERE}:not_a_function", "must be a function, got int; name another"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_paid(path: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Function(function=path).check()


@pytest.mark.parametrize(
    "path", ["", "module", "module:", ":f", "a-b:f", "os.system('x'):f", "a:f()", "a:b:c", "../a:f"]
)
def test_what_is_no_path_is_refused_when_it_is_made(path: str) -> None:
    with pytest.raises(ValidationError, match="function"):
        Function(function=path)


@pytest.mark.parametrize("limit_s", [0, -1, float("nan"), float("inf")])
def test_bad_limits_are_refused(limit_s: float) -> None:
    with pytest.raises(ValidationError, match="limit_s"):
        Function(function="a:b", limit_s=limit_s)
