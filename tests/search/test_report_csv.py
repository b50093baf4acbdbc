"""The report as comma-separated values: the figures, and nothing that a spreadsheet would run."""

import csv
from io import StringIO

from report_samples import HOSTILE, point, points, report, unconfirmed

from ponder.search.reports.report import Report
from ponder.search.reports.report import csv as csv_of
from ponder.search.reports.report_level import Level


def rows(made):
    return list(csv.DictReader(StringIO(csv_of(made))))


def test_a_row_for_each_level_then_for_each_point() -> None:
    found = rows(report())
    assert [row["kind"] for row in found] == ["level"] * 3 + ["point"] * 8
    assert [row["name"] for row in found[:3]] == ["single", "fused 9", "archon 18"]
    assert [row["level"] for row in found[:4]] == ["2.0", "10.0", "20.0", ""]


def test_a_level_tells_its_choice_its_figures_and_its_standing() -> None:
    level = rows(report())[1]
    assert (level["name"], level["tied_with"], level["cheapest_tied"]) == ("fused 9", "fused 7", "fused 7")
    assert [level[f"confirmed{part}"] for part in ("", "_low", "_high", "_items")] == ["0.62", "0.56", "0.68", "80"]
    assert [level[f"development{part}"] for part in ("", "_items")] == ["0.66", "120"]
    assert [level[key] for key in ("baseline", "standing", "difference", "difference_low", "difference_high")] == [
        "vote 8", "beats", "0.08", "0.04", "0.12",
    ]  # fmt: skip
    assert (level["cost_calls"], level["critical_path"], level["replicates"]) == ("9.0", "3.0", "4")


def test_negative_figures_stay_figures() -> None:
    assert rows(report())[2]["difference_low"] == "-0.01"


def test_what_is_not_confirmed_says_so() -> None:
    level = rows(unconfirmed())[0]
    assert (level["confirmed"], level["not_confirmed"]) == ("", "the budget ended before confirmation")


def test_no_foreign_text_is_a_formula() -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "＝1", "\t=1", " =1", HOSTILE, 'a,"b"\r\n=c']
    bad = [point(name, 2 + i, 0.5) for i, name in enumerate(names)]
    level = Level(limit=9, chosen="single", tied_with=("=cmd|' /C calc'!A0",), not_confirmed="")
    made = report(points=(*points(), *bad), levels=(level,), notes=("=x",))
    text = csv_of(made)
    cells = [cell for row in csv.reader(StringIO(text)) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "＝", "+", "@")) or cell.startswith("-1")]
    assert "'=cmd|' /C calc'!A0" in cells and "'-1+2" in cells
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
    assert len(text.splitlines()) == 1 + 1 + len(made.points)


def test_is_the_same_every_time_and_has_its_columns_even_where_nothing_was_measured() -> None:
    assert csv_of(report()) == csv_of(Report.model_validate_json(report().model_dump_json()))
    [head] = csv_of(Report(title="x", items=0)).splitlines()
    whole = csv_of(report()).splitlines()[0].split(",")
    assert head.split(",") == [column for column in whole if column not in ("cost_calls", "cost_flops")]
