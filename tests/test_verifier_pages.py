"""The pages of docs/verifiers/ are what the classes say of themselves, and every class says enough."""

import os
import sys
from pathlib import Path

import pytest

from ponder.orchestrator.code_tests import CallTest
from ponder.orchestrator.pipeline_file import load
from ponder.orchestrator.types import Query
from ponder.verifiers import ANSWERS, VERIFIERS, Calibrated, ExactMatch, PlattMap, Rubric, ScalarJudge

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import verifier_pages  # noqa: E402
from class_pages import docstring_of, meanings  # noqa: E402
from verifier_pages import LABELS, ORDER, PAGES, source  # noqa: E402


def test_the_pages_are_those_that_the_script_writes() -> None:
    written = verifier_pages.pages()
    assert {file.name for file in PAGES.iterdir()} == set(written), "run: python docs/verifier_pages.py"
    for name, text in written.items():
        assert (PAGES / name).read_text() == text, f"{name} is old; run: python docs/verifier_pages.py"
    assert verifier_pages.ANSWER_PAGE.read_text() == verifier_pages.answer_page(), "run: python docs/verifier_pages.py"


@pytest.mark.parametrize("kind", VERIFIERS.names())
def test_a_verifier_says_what_it_looks_at_and_when_to_trust_it(kind: str) -> None:
    cls = VERIFIERS[kind]
    told = docstring_of(cls, LABELS)
    assert told.summary.endswith(".")
    assert list(told.sections) == list(LABELS), f"{cls.__name__} must have each section, in this order"
    assert all(told.sections.values())
    assert not set(cls.model_fields) - {"kind"} - set(meanings(cls)), f"{cls.__name__} must say what these knobs mean"
    assert not set(told.knobs) - set(cls.model_fields), f"{cls.__name__} has no such knobs"


@pytest.mark.parametrize("kind", ANSWERS.names())
def test_an_answer_key_says_what_it_reads(kind: str) -> None:
    cls = ANSWERS[kind]
    assert docstring_of(cls, LABELS).summary
    assert not set(cls.model_fields) - {"kind"} - set(meanings(cls)), f"{cls.__name__} must say what these knobs mean"


def test_every_verifier_is_of_one_family() -> None:
    assert sorted(ORDER) == VERIFIERS.names()


@pytest.mark.parametrize("kind", VERIFIERS.names())
def test_the_examples_of_a_page_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PAGES / f"{kind}.md").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    blocks = [block.partition("\n") for block in text.split("```")[1::2]]
    for language, _, code in blocks:
        if language == "toml":
            file = tmp_path / f"{kind}.toml"
            file.write_text(code)
            assert load(file).nodes[-1].strategy.verifier.kind == kind
        elif code.startswith("# file: "):
            (tmp_path / code.partition("\n")[0].removeprefix("# file: ")).write_text(code)
        else:
            exec(compile(code, f"{kind}.md", "exec"), {})


def test_values_are_spelled_as_python_makes_them() -> None:
    calibrated = Calibrated(verifier=ExactMatch(), map=PlattMap(slope=2, offset=0))
    assert source(calibrated) == "Calibrated(verifier=ExactMatch(), map=PlattMap(slope=2.0, offset=0.0))"
    assert source(Rubric(items=("It ends.",))) == 'Rubric(items=("It ends.",))'
    labels = ScalarJudge(labels={"good": 1, "bad": 0})
    assert source(labels) == 'ScalarJudge(labels={"good": 1.0, "bad": 0.0})'
    test = CallTest(function="f", args=(1,), result="a")
    assert source((test,)) == '(CallTest(function="f", args=(1,), result="a"),)'


def test_an_example_asks_the_query_of_the_bench() -> None:
    query = Query.ask("What is 2 + 3?", reference="5")
    assert verifier_pages.python_of(ExactMatch(), query).splitlines() == [
        "import ponder",
        "from ponder.strategies import BestOfN",
        "from ponder.verifiers import ExactMatch",
        "",
        "verifier = ExactMatch()",
        'query = ponder.Query.ask("What is 2 + 3?", reference="5")',
        'engines = {"generator": ponder.SimulatedSpec()}',
        "result = ponder.run(BestOfN(n=4, max_tokens=48, verifier=verifier), query, engines=engines)",
        "print(result.best.scores[verifier.name])",
    ]
