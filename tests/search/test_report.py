"""The report: what it must say, what it must never say, and that hostile text stays text."""

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from ponder.orchestrator.errors import UsageError
from ponder.search.chart import cost_chart, curves, log_ticks
from ponder.search.figures import full, printable, short
from ponder.search.frontier import Estimate, Point, frontier, with_ties
from ponder.search.report import ORACLE, Report, html, terminal, verdict

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred\x1b]8;;http://evil\x07"
    "\u202e{{ 7*7 }}[bold]\x9b&amp;\"'"
)


def estimate(accuracy, items=40, reach=0.06):
    return Estimate(items=items, accuracy=accuracy, low=max(0, accuracy - reach), high=min(1, accuracy + reach))


def point(method, n, temperature, accuracy, **more):
    name = f"{method} {n} at {temperature}"
    cost = {"total_tokens": 50.0 * n, "calls": float(n), "flops": 1e9 * n}
    parts = {f"{level} steps": estimate(accuracy * (1 - level / 20), 10) for level in (1, 2, 10)}
    base = estimate(accuracy).model_dump()
    given = {"name": name, "method": method, "n": n, "temperature": temperature, "cost": cost, "by_difficulty": parts}
    return Point(**{**base, **given, **more})


def grid():
    found = [point("single", 1, t, 0.4) for t in (0.5, 1.0)]
    for temperature in (0.5, 1.0):
        for n in (2, 4, 8):
            found.append(point("vote", n, temperature, 0.4 + 0.04 * n * temperature))
            found.append(point("best_of_n", n, temperature, 0.39 + 0.03 * n * temperature))
            found.append(point("pass_at_k", n, temperature, min(1, 0.5 + 0.06 * n), is_oracle=True))
    return with_ties(found)


def report(points=None, **more):
    points = grid() if points is None else points
    chosen = tuple(point.name for point in frontier(points))
    given = {
        "title": "A sweep",
        "data": "forty problems",
        "items": 40,
        "seed": 7,
        "budget": {"total_tokens": 1e6},
        "spent": {"total_tokens": 250_000, "calls": 1200},
        "baselines": ("single 1 at 0.5", "best_of_n 8 at 1.0") if points else (),
    }
    return Report(**{**given, **more}, points=points, frontier=chosen)


def printed(shown, **more):
    screen = io.StringIO()
    terminal(shown, Console(width=200, file=screen), **more)
    return screen.getvalue()


class Page(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


class TestReport:
    def test_survives_json(self):
        assert Report.model_validate_json(report().model_dump_json()) == report()

    def test_refuses_a_frontier_with_an_oracle_a_dominated_or_an_unknown_point(self):
        for name in ("pass_at_k 2 at 1.0", "best_of_n 2 at 0.5"):
            with pytest.raises(UsageError, match="no oracle and nothing dominated"):
                Report(title="x", items=40, points=grid(), frontier=(name,))
        with pytest.raises(UsageError, match="got 'nobody'"):
            Report(title="x", items=40, points=grid(), baselines=("nobody",))

    def test_recommends_the_cheapest_tied_with_the_winner(self):
        shown = report()
        assert shown.winner.name == "vote 8 at 1.0"
        assert shown.recommended == shown.winner
        a, b = point("vote", 4, 1.0, 0.69), point("vote", 8, 1.0, 0.7)
        assert report(with_ties([a, b]), baselines=()).recommended.name == "vote 4 at 1.0"

    def test_recommends_nothing_where_nothing_was_measured(self):
        empty = report((), baselines=())
        assert empty.winner is None and empty.recommended is None
        assert "nothing to recommend" in verdict(empty)[0]
        assert "nothing to recommend" in html(empty) and "nothing to recommend" in printed(empty)


class TestTerminal:
    def test_shows_the_frontier_with_intervals_and_cost(self):
        text = printed(report())
        assert re.search(r"vote 8 at 1\.0 +72\.0 \[66\.0–78\.0\] +400 +8", text)
        assert "expect less on others" in text
        assert "draws that stand: 250,000 of 1,000,000 tokens" in text
        assert ORACLE not in text

    def test_shows_the_rest_on_request_with_oracles_labelled(self):
        text = printed(report(), is_full=True)
        assert text.count(ORACLE) == 6
        assert "10 steps" in text

    def test_says_what_the_budget_did_not_reach(self):
        assert "not reached: the last ten" in printed(report(incomplete=("the last ten",)))

    def test_hostile_text_moves_no_cursor_and_is_no_markup(self):
        text = printed(report(title=HOSTILE, notes=(HOSTILE,), incomplete=(HOSTILE,)), is_full=True)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert "[bold]" in text and "[31mred" in text


class TestPage:
    def test_loads_and_runs_nothing(self):
        page = html(report())
        found = Page(page)
        assert not set(found.tags) & {
            "script",
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "form",
            "base",
            "a",
            "image",
            "use",
        }
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes
        assert not re.search(r"https?:|url\(|@import|src=|href=|\bon[a-z]+=", page)

    def test_is_the_same_every_time_and_small(self):
        page = html(report())
        assert page == html(Report.model_validate_json(report().model_dump_json()))
        assert len(page.encode()) < 100_000

    def test_stays_under_a_megabyte_whatever_comes(self):
        points = tuple(
            point("vote", 2 + i % 60, i % 7 / 10, (i * 37 % 1000) / 1000, name=f"{i} {'x' * 500}") for i in range(3000)
        )
        page = html(report(points, baselines=(), notes=("n" * 5000,) * 300, incomplete=("m" * 5000,) * 300))
        assert len(page.encode()) < 1_000_000

    def test_hostile_text_stays_text(self):
        bad = point(HOSTILE, 4, 1.0, 0.5, name=HOSTILE, by_difficulty={HOSTILE: estimate(0.5)})
        page = html(report([bad, point("vote", 8, 1.0, 0.6), point("vote", 16, 1.0, 0.7)], title=HOSTILE, data=HOSTILE,
                           split=HOSTILE, notes=(HOSTILE,), incomplete=(HOSTILE,), baselines=(HOSTILE,),
                           budget={HOSTILE: 1}, spent={HOSTILE: 1}))  # fmt: skip
        found = Page(page)
        assert not {"script", "img"} & set(found.tags)
        assert not any(name.startswith("on") for name, _ in found.attributes)
        assert "<script>alert(1)</script>" in found.text and "{{ 7*7 }}" in found.text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page)
        page.encode()

    def test_every_mark_has_its_interval(self):
        page = html(report())
        chart, panels = cost_chart(report()), curves(report())
        marks = len(chart.marks) + sum(len(panel.marks) for panel in panels)
        assert len(chart.marks) == 14
        assert len(panels) == 2
        assert page.count('class="bar"') == marks

    def test_every_accuracy_has_its_interval(self):
        found = Page(html(report()))
        bare = re.findall(r"(\d+\.\d) %(?! (?:\d+\.\d–|\[|\())", re.sub(r"Budget.*?How to read", "", found.text))
        assert bare == []

    def test_labels_oracles_and_never_recommends_one(self):
        found = Page(html(report())).text
        assert found.count(ORACLE) >= 7
        cards = found[: found.index("What accuracy costs")]
        assert "pass_at_k" not in cards

    def test_warns_of_the_choice_unless_confirmed(self):
        assert "expect less on others" in Page(html(report())).text
        confirmed = [p.model_copy(update={"confirmed": estimate(p.accuracy - 0.03, 25)}) for p in grid()]
        found = Page(html(report(confirmed))).text
        assert "Confirmed on 25 queries that had no part in the choice" in found
        assert "69.0 % 63.0–75.0" in found
        assert "expect less on others" not in found

    def test_says_where_fewer_queries_were_measured_or_draws_failed(self):
        odd = point("vote", 4, 1.0, 0.5, failed=3)
        assert "40 of 50 queries" in html(report([odd], items=50, baselines=()))
        assert "3 draws failed" in html(report([odd], items=50, baselines=()))

    @pytest.mark.parametrize("cost", [0.0, 1e-9, 1e15])
    def test_draws_any_cost(self, cost):
        odd = point("vote", 4, None, 0.5, cost={"total_tokens": cost})
        other = point("vote", 8, None, 1.0, cost={"total_tokens": cost * 2}, low=1.0)
        page = html(report([odd, other] if cost else [odd], baselines=()))
        assert "nan" not in page and "inf" not in page.replace("info", "")


class TestFigures:
    def test_log_ticks_cover_the_axis(self):
        for low, high in ((0.003, 0.004), (1, 1.3), (15, 4000), (1, 1e12)):
            assert all(low <= tick <= high for tick in log_ticks(low, high))

    def test_amounts(self):
        assert [short(value) for value in (999.4, 999.6, 1e15, 1e30)] == ["999", "1k", "1P", "1e+06Y"]
        assert full(0, "cost_usd") == "0"

    def test_printable_cuts_and_strips(self):
        assert printable("a\nb\x00c\u200b\ud800d", 100) == "a bcd"
        assert printable("x" * 50, 10) == "x" * 9 + "…"
