"""The pages of docs/strategies/ are what the classes say of themselves, and every class says enough."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.pipeline_file import load
from ponder.strategies import STRATEGIES, Sample, Strategy
from ponder.verifiers import AnyVerifier

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import strategy_pages  # noqa: E402
from class_pages import docstring_of, knob_table, meanings  # noqa: E402
from strategy_pages import LABELS  # noqa: E402

PAGES = ROOT / "docs" / "strategies"


class Told(Strategy):
    """Does one thing
    and says so.

    More of it, in
    two lines.

    And `more`.

    Family: selection
    When it pays: always,
        or never.
    Cost: at most `n` draws, or 1.5 a round; depth 2. Not more.
    Source: Someone 2024 (arXiv 2401.00001), section 2.
    Departs: nowhere.

    Args:
        n: how many,
            in all.
        keep: how many stay.
    """

    kind: Literal["told"] = "told"
    n: Annotated[int, Field(ge=1, le=4096)] = 8
    keep: Annotated[float, Field(gt=0)] | None = None


class Retold(Told):
    """Another.

    Args:
        n: rounds.
        verifier: judges.
    """

    kind: Literal["retold"] = "retold"
    verifier: AnyVerifier


def test_the_pages_are_those_that_the_script_writes() -> None:
    written = strategy_pages.pages()
    assert {file.name for file in PAGES.iterdir()} == set(written), "run: python docs/strategy_pages.py"
    for name, text in written.items():
        assert (PAGES / name).read_text() == text, f"{name} is old; run: python docs/strategy_pages.py"


@pytest.mark.parametrize("kind", STRATEGIES.names())
def test_a_strategy_says_what_it_is_when_it_pays_and_what_it_costs(kind: str) -> None:
    cls = STRATEGIES[kind]
    told = docstring_of(cls, LABELS)
    assert told.summary.endswith(".")
    assert list(told.sections) == list(LABELS), f"{cls.__name__} must have each section, in this order"
    assert all(told.sections.values())
    assert told.sections["Family"] in strategy_pages.FAMILIES
    assert all(strategy_pages.costs_of(told.sections["Cost"]))
    missing = set(cls.model_fields) - {"kind"} - set(meanings(cls))
    assert not missing, f"{cls.__name__} must say under Args what these knobs mean"
    unknown = set(told.knobs) - set(cls.model_fields)
    assert not unknown, f"{cls.__name__} has no such knobs"


@pytest.mark.parametrize("kind", STRATEGIES.names())
def test_the_example_of_a_page_is_a_pipeline_with_the_strategy(kind: str, tmp_path: Path) -> None:
    text = (PAGES / f"{kind}.md").read_text()
    file = tmp_path / f"{kind}.toml"
    file.write_text(text.partition("```toml\n")[2].partition("```")[0])
    assert load(file).nodes[-1].strategy.kind == kind


def test_a_docstring_is_read_in_its_parts() -> None:
    told = docstring_of(Told, LABELS)
    assert told.summary == "Does one thing and says so."
    assert told.paragraphs == ("More of it, in two lines.", "And `more`.")
    assert told.sections["When it pays"] == "always, or never."
    assert told.knobs == {"n": "how many, in all.", "keep": "how many stay."}


def test_costs_are_read_from_how_they_begin() -> None:
    told = docstring_of(Told, LABELS)
    assert strategy_pages.costs_of(told.sections["Cost"]) == ("at most `n` draws, or 1.5 a round", "2")
    with pytest.raises(ValueError, match="must begin with"):
        strategy_pages.costs_of("some draws.")


def test_a_knob_is_told_by_the_nearest_class() -> None:
    assert meanings(Retold) == {"n": "rounds.", "keep": "how many stay.", "verifier": "judges."}


def test_ranges_types_and_defaults_come_from_the_fields() -> None:
    rows = knob_table(Retold).splitlines()[2:]
    assert rows == [
        "| `n` | integer, 1 to 4096 | `8` | rounds. |",
        "| `keep` | number, above 0 or none | none | how many stay. |",
        "| `verifier` | verifier | required | judges. |",
    ]


def test_what_a_strategy_works_on_is_what_it_does_not_refuse() -> None:
    cases = strategy_pages.cases()
    found = {kind: strategy_pages.works_on(cases[kind]) for kind in ("sample", "vote", "self_debug", "cascade")}
    assert found == {"sample": "query", "vote": "candidates", "self_debug": "candidates", "cascade": "query"}
    assert strategy_pages.works_on(Pipeline.series(Sample(), name="inner")) == "query"


def test_a_judge_is_told_by_its_knob() -> None:
    kinds = ("s_star", "rank", "early_pruning", "self_refine", "sample")
    judges = [strategy_pages._judge(STRATEGIES[kind]) for kind in kinds]
    assert judges == ["executor", "verifier", "`self_evaluation` by default", "optional", "no"]


def test_an_example_leaves_out_what_is_as_by_default() -> None:
    expected = (
        '[[nodes]]\nname = "sample"\n\n[nodes.strategy]\nkind = "sample"\nn = 3\n\n'
        '[engines.generator]\nkind = "simulated"\n'
    )
    assert strategy_pages.example_of(Sample(n=3)) == expected
