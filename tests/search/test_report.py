"""The report: what it must say, what it must never say, and that hostile text stays text."""

import io
import re
from html.parser import HTMLParser

import pytest
from pydantic import ValidationError
from report_samples import HOSTILE, curve, effects, estimate, levels, moved, point, points, report, unconfirmed
from rich.console import Console

from ponder.orchestrator.errors import UsageError
from ponder.search.reports.axis_effects import Effect
from ponder.search.reports.chart import cost_chart, log_ticks
from ponder.search.reports.figures import full, printable, short
from ponder.search.reports.report import Report, html, terminal
from ponder.search.reports.report_curve import Curve, CurveRow
from ponder.search.reports.report_level import Contest, Level
from ponder.search.reports.report_panels import curve_panels, effect_chart
from ponder.search.reports.report_spending import Spending
from ponder.search.reports.report_words import ORACLE, gap, verdict


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
        self.words.append(" " * (tag in ("td", "dt", "dd", "th")))
        self.attributes.extend(attrs)

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def names(found):
    return [each.name for each in found]


def chosen(name, limit=10, **more):
    return report(levels=(Level(limit=limit, chosen=name, **more),))


class TestReport:
    def test_survives_json(self):
        assert Report.model_validate_json(report().model_dump_json()) == report()

    def test_recommends_the_choices_and_tells_the_cheapest_tied_with_each(self):
        made = report()
        assert [tied and tied.name for tied in map(made.cheapest_tied, made.levels)] == [None, "fused 7", None]
        assert names(made.best) == ["single", "fused 9", "archon 18"]
        assert names(made.held_against) == ["vote 8", "best 16"]
        assert made.is_confirmed

    def test_tells_of_no_unconfirmed_tie_beside_a_confirmed_choice(self):
        assert report().levels[2].tied_with == ("ranked 12",)
        assert report().cheapest_tied(report().levels[2]) is None
        tied = unconfirmed().cheapest_tied(unconfirmed().levels[2])
        assert tied is not None and tied.name == "ranked 12"

    def test_tells_how_far_the_development_queries_flattered(self):
        assert [gap(report(), level) for level in report().levels] == ["−1.0", "+4.0", "+4.0"]
        assert {gap(unconfirmed(), level) for level in unconfirmed().levels} == {""}

    def test_before_a_choice_only_points_measured_on_the_most_queries_compete(self):
        lucky = point("lucky", 2, 1.0, items=15)
        early = report(points=(*points(), lucky), levels=())
        assert names(early.best) == ["single", "fused 7", "fused 9", "archon 18"]
        assert not early.is_confirmed


class TestRefusals:
    def test_no_accuracy_without_its_interval(self):
        with pytest.raises(ValidationError, match="low"):
            estimate(0.5).model_validate({"items": 9, "accuracy": 0.5})
        with pytest.raises(UsageError, match="must hold its difference"):
            moved(0.5).model_validate({"items": 9, "mean": 0.5, "low": 0.6, "high": 0.7})
        with pytest.raises(ValidationError, match="difference"):
            Effect.model_validate({"axis": "n", "before": "1", "after": "2", "pairs": 1})
        with pytest.raises(ValidationError, match="estimate"):
            CurveRow.model_validate({"n": 1, "kind": "average"})

    def test_no_development_score_as_final(self):
        with pytest.raises(UsageError, match="must be confirmed or say why not, got 'ranked 12' at 20"):
            chosen("ranked 12", 20)
        assert not chosen("ranked 12", 20, not_confirmed="the budget ended").is_confirmed
        with pytest.raises(UsageError, match="must not be called unconfirmed"):
            chosen("fused 9", not_confirmed="the budget ended")

    def test_no_comparison_without_confirmation(self):
        contest = Contest(baseline="vote 8", difference=moved(0.1), is_tied=False)
        with pytest.raises(UsageError, match="must be confirmed to be compared"):
            Level(limit=20, chosen="ranked 12", contest=contest, not_confirmed="the budget ended")
        with pytest.raises(UsageError, match="must be tied where its interval holds 0"):
            Contest(baseline="vote 8", difference=moved(0.01), is_tied=False)
        with pytest.raises(UsageError, match="must be with a baseline, got 'fused 7'"):
            chosen("fused 9", contest=contest.model_copy(update={"baseline": "fused 7"}))

    def test_no_oracle_as_a_recommendation_or_a_baseline(self):
        bound = point("bound", 4, 0.9, 0.9, is_oracle=True)
        for more in ({"chosen": "bound"}, {"chosen": "single", "tied_with": ("bound",)}):
            with pytest.raises(UsageError, match="a choice at 10 must not need the answers, but 'bound' is an oracle"):
                report(points=(*points(), bound), levels=(Level(limit=10, **more),))
        with pytest.raises(UsageError, match="a baseline must not need the answers"):
            report(points=(*points(), bound), baselines=("bound",))
        assert "bound" not in names(report(points=(*points(), bound), levels=()).best)

    def test_no_choice_that_is_unknown_or_too_dear(self):
        with pytest.raises(UsageError, match="a choice at 10 must be a point of the report, got 'nobody'"):
            chosen("nobody")
        with pytest.raises(UsageError, match="tied with a choice at 10 must cost no more, got 12 for 'ranked 12'"):
            chosen("fused 9", tied_with=("ranked 12",))
        with pytest.raises(UsageError, match="levels must rise, got 20, 2"):
            report(levels=(levels()[2], levels()[0]))
        with pytest.raises(UsageError, match="got twice: 'single'"):
            report(points=(*points(), points()[0]))

    def test_no_bound_by_itself(self):
        rows = curve().rows
        with pytest.raises(UsageError, match="got no worst at 2 of 'p'"):
            Curve(pool="p", rows=tuple(row for row in rows if (row.n, row.kind) != (2, "worst")))
        with pytest.raises(UsageError, match="got two at 1 of 'p'"):
            Curve(pool="p", rows=(*rows, rows[0]))

    def test_no_phase_that_paid_more_than_was_spent(self):
        with pytest.raises(UsageError, match="got 30 of 20 in 'calls'"):
            Spending(spent={"calls": 20}, phases={"pilot": {"calls": 30}})


class TestVerdict:
    def test_says_what_is_confirmed_and_what_it_beats(self):
        assert verdict(report()) == (
            "Within 2 calls a query: single: 41.0 % [35.0–47.0] at 1 call a query "
            "(confirmed on 80 queries that had no part in the choice).",
            "single is itself a baseline.",
            "Within 10 calls a query: fused 9: 62.0 % [56.0–68.0] at 9 calls a query "
            "(confirmed on 80 queries that had no part in the choice).",
            "fused 9 beats vote 8: +8.0 points [+4.0 to +12.0].",
            "Cheaper, and not told from it by the development queries: fused 7: 61.0 % [55.0–67.0] at 7 calls a query "
            "(confirmed on 80 queries that had no part in the choice).",
            "Within 20 calls a query: archon 18: 70.0 % [64.0–76.0] at 18 calls a query "
            "(confirmed on 80 queries that had no part in the choice).",
            "archon 18 cannot be told from best 16: +3.0 points [−1.0 to +7.0].",
        )

    def test_says_where_no_baseline_fits_or_one_is_ahead(self):
        assert verdict(chosen("fused 9"))[-1] == "fused 9 has no baseline that fits its level."
        lost = Contest(baseline="vote 8", difference=moved(-0.08), is_tied=False)
        assert verdict(chosen("fused 9", contest=lost))[-1].startswith("fused 9 is behind vote 8: −8.0 points")
        assert verdict(chosen("single", contest=lost))[-1].startswith("single is behind vote 8: −8.0 points")

    def test_says_where_a_choice_turned_out_dearer_than_its_level(self):
        dear = chosen("archon 18")
        assert verdict(dear)[-1] == "archon 18 turned out to cost 18 calls a query, more than its level."
        assert "over its level" in printed(dear) and "over its level" in html(dear)
        assert "over its level" not in printed(report()) + html(report())

    def test_claims_nothing_that_is_not_confirmed(self):
        for text in (" ".join(verdict(unconfirmed())), printed(unconfirmed()), Page(html(unconfirmed())).text):
            assert "confirmed on" not in text.lower()
            assert (
                "beats" not in text.partition("How to read")[0] and "recommended" not in text.partition("What acc")[0]
            )
            assert "the budget ended before confirmation" in text
            assert "expect less on others" in text
        assert all("not confirmed (the budget ended before confirmation)" in line for line in verdict(unconfirmed()))

    def test_of_a_search_that_has_not_chosen_shows_development_figures_as_such(self):
        early = unconfirmed(levels=())
        assert verdict(early)[0] == "Nothing is chosen yet, and nothing confirmed."
        assert "Best so far: archon 18: 74.0 % [68.0–80.0]" in verdict(early)[1]
        assert "expect less on others" in verdict(early)[1]
        assert "Nothing is chosen yet" in Page(html(early)).text

    def test_recommends_nothing_where_nothing_was_measured(self):
        empty = Report(title="x", items=0)
        assert empty.best == ()
        assert "nothing to recommend" in verdict(empty)[0]
        assert "nothing to recommend" in html(empty) and "nothing to recommend" in printed(empty, is_full=True)


class TestTerminal:
    def test_shows_each_level_with_intervals_gap_cost_and_standing(self):
        text = printed(report())
        row = r"≤ 10 +fused 9 +62\.0 \[56\.0–68\.0\] +66\.0 \[60\.0–72\.0\] +\+4\.0 +9 +3 +beats +1 tied"
        assert re.search(row, text)
        assert re.search(r"fused 7 +61\.0 \[55\.0–67\.0\] .* cheapest tied", text)
        assert "paid: 250,000 tokens, 1,200 of 2,000 calls" in text
        assert "replayed: 3,600 calls, 75.0 % saved by reuse; phases: pilot 10.0 %, search 58.3 %" in text
        assert "outlook: ten times the budget" in text
        assert ORACLE not in text

    def test_shows_the_rest_on_request_with_oracles_labelled(self):
        text = printed(report(), is_full=True)
        assert text.count(ORACLE) == 4
        assert "10 steps" in text
        assert re.search(r"samples +2 +4 +\+5\.2 \[\+3\.2 to \+7\.2\] +12 +120", text)

    def test_hostile_text_moves_no_cursor_and_is_no_markup(self):
        text = printed(hostile(), is_full=True)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert "[bold]" in text and "[31mred" in text


def hostile():
    """A report all of whose foreign texts are hostile."""
    bad = point(HOSTILE, 4, 0.5, by_difficulty={HOSTILE: estimate(0.5)})
    step = Effect(axis=HOSTILE, before=HOSTILE, after=HOSTILE, pairs=1, difference=moved(0.1))
    ledger = Spending(spent={HOSTILE: 1}, fresh={HOSTILE: 2}, phases={HOSTILE: {HOSTILE: 1}})
    level = Level(limit=9, chosen=HOSTILE, tied_with=("fused 7",), not_confirmed=HOSTILE)
    texts = dict.fromkeys(("title", "data", "split", "ended"), HOSTILE)
    lines = dict.fromkeys(("notes", "outlook", "baselines"), (HOSTILE,))
    return report(points=(*points(), bad), levels=(level,), effects=(step,), curves=(curve(HOSTILE),), ledger=ledger,
                  budget={HOSTILE: 1}, **texts, **lines)  # fmt: skip


class TestPage:
    def test_loads_and_runs_nothing(self):
        page = html(report())
        found = Page(page)
        barred = {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a", "image", "use"}
        assert not set(found.tags) & barred
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes
        assert not re.search(r"https?:|url\(|@import|src=|href=|\bon[a-z]+=", page)

    def test_is_the_same_every_time_and_small(self):
        page = html(report())
        assert page == html(Report.model_validate_json(report().model_dump_json()))
        assert len(page.encode()) < 100_000

    def test_stays_under_a_megabyte_whatever_comes(self):
        many = tuple(point(f"{i} {'x' * 500}", 2 + i % 60, (i * 37 % 1000) / 1000, 0.5) for i in range(600))
        rising = tuple(Level(limit=62 + i, chosen=many[i].name, tied_with=tuple(names(many[:50]))) for i in range(200))
        texts = {key: ("n" * 5000,) * 300 for key in ("notes", "outlook")}
        curves = (curve("y" * 500, range(1, 257)),) * 40
        page = html(report(points=many, levels=rising, baselines=(), curves=curves, effects=effects() * 100, **texts))
        assert len(page.encode()) < 1_000_000

    def test_hostile_text_stays_text(self):
        page = html(hostile())
        found = Page(page)
        assert not {"script", "img"} & set(found.tags)
        assert not any(name.startswith("on") for name, _ in found.attributes)
        assert "<script>alert(1)</script>" in found.text and "{{ 7*7 }}" in found.text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page)
        page.encode()

    def test_every_mark_has_its_interval(self):
        made = report()
        marks = len(cost_chart(made).marks) + sum(len(panel.marks) for panel in curve_panels(made))
        assert len(cost_chart(made).marks) == 8 + 6
        assert len(curve_panels(made)) == 2
        assert html(made).count('class="bar"') == marks + len(effect_chart(made).rows)

    def test_every_accuracy_has_its_interval(self):
        for made in (report(), unconfirmed()):
            told = re.sub(r"Saved by reuse [\d.]+ %|What the search paid.*?How to read", "", Page(html(made)).text)
            assert re.findall(r"(\d+\.\d) %(?! (?:\d+\.\d–|\[|\())", told) == []

    def test_draws_confirmed_points_strong_and_development_faint(self):
        styles = [mark.style for mark in cost_chart(report()).marks]
        assert (styles.count("strong"), styles.count("open"), styles.count("faint")) == (3, 3, 8)
        styles = [mark.style for mark in cost_chart(unconfirmed()).marks]
        assert (styles.count("unsure"), styles.count("faint"), len(styles)) == (3, 5, 8)
        assert [text for _, text in cost_chart(report()).limits] == ["≤ 2", "≤ 10", "≤ 20"]

    def test_labels_oracles_and_shows_them_in_no_card(self):
        found = Page(html(report())).text
        assert found.count(ORACLE) >= 4
        assert ORACLE not in found[: found.index("What accuracy costs")]

    def test_says_where_fewer_queries_were_measured_or_draws_failed(self):
        assert "30 of 120 queries" in html(report())
        odd = point("odd", 4, 0.5, failed=3)
        assert "3 draws failed" in html(report(points=(*points(), odd)))

    def test_shows_the_ledger_by_phase(self):
        found = Page(html(report())).text
        assert "Calls 1,200 2,000 60.0 % 3,600 75.0 %" in found
        assert "Confirmation 180 15.0 %" in found

    @pytest.mark.parametrize("cost", [0.0, 1e-9, 1e15])
    def test_draws_any_cost(self, cost):
        odd = point("vote", 4, 0.5, cost={"total_tokens": cost})
        other = point("dearer", 8, 1.0, cost={"total_tokens": cost * 2}, low=1.0)
        few = {"levels": (), "baselines": (), "by": "total_tokens"}
        page = html(report(points=(odd, other) if cost else (odd,), **few))
        assert "nan" not in page and "inf" not in page.replace("info", "")

    def test_effects_that_all_fall_still_show_zero(self):
        fall = Effect(axis="a", before="1", after="2", pairs=1, difference=moved(-0.3))
        chart = effect_chart(report(effects=(fall,)))
        assert chart.rows[0].high < chart.zero <= chart.width
        assert [text for _, text in chart.ticks][-1] == "0"


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
