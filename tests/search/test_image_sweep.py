"""A sweep over images: in evaluations or in seconds, judged by what no search sees, with pictures in its report."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from image_sweeping import MEANS, image_sweep
from sweeping import page, swept

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.png import png
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.search.outline import outline
from ponder.search.pools.arms import arm_of, is_pooled
from ponder.search.pools.recorded import Recorded
from ponder.search.pools.thumbnails import shrunk, thumbnail
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.reports.report import Report
from ponder.search.reports.report_pictures import Pictures
from ponder.search.searching import Progress
from ponder.search.spaces.presets import denoising_space
from ponder.strategies import RandomNoiseSearch
from ponder.verifiers import ClassLogprob


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Record:
    return swept(image_sweep(), tmp_path_factory.mktemp("images") / "images.db")[0]


@pytest.fixture(scope="module")
def made(found) -> Report:
    return report(found)


def point(made: Report, kind: str, n: int, steps: int):
    [one] = [p for p in made.points if (p.method, p.composition["n"], p.composition["steps"]) == (kind, n, steps)]
    return one


def test_compositions_cost_their_evaluations_and_searches_beat_one_image(made) -> None:
    one, many = point(made, "single", 1, 2), point(made, "best_of_n", 8, 2)
    assert (one.cost["nfe"], many.cost["nfe"]) == (2, 16)
    assert (one.cost["compute_seconds"], many.cost["compute_seconds"]) == (0.001, 16 * 0.0005 + 8 * 0.0001)
    assert one.cost["total_tokens"] == 0
    assert many.accuracy > one.accuracy + 0.3
    assert one.name == "random_noise_search of 1, 2 steps verifier=class_logprob"


def test_a_choice_is_held_against_single_images_and_random_search(made) -> None:
    assert made.is_confirmed
    assert {made.point(name).method for name in made.baselines} == {"single", "best_of_n"}
    assert {made.point(name).composition["n"] for name in made.baselines} == {1, 8}


def test_the_largest_random_search_that_fits_is_measured_whatever_looks_good(found, made) -> None:
    first = found.batches[1]
    [(id, items, _)] = first.asks
    assert first.phase == "search"
    assert (found.members[id].strategy.kind, found.members[id].strategy.n) == ("random_noise_search", 8)
    assert found.members[id].strategy.steps == 4
    assert items == tuple(range(12))
    top = made.levels[-1]
    rivals = [made.point(name) for name in made.baselines if made.point(name).cost_in("nfe") <= top.limit]
    assert max(rival.cost_in("nfe") for rival in rivals) >= 16


def test_a_baseline_that_is_too_dear_is_left_to_the_search(tmp_path) -> None:
    found, _ = swept(image_sweep(budget={"nfe": 600}), tmp_path / "s.db")
    assert len(found.batches[1].asks) > 1


def test_random_searches_of_one_way_are_told_from_one_pool() -> None:
    judge = ClassLogprob()
    few, many = (RandomNoiseSearch(n=n, verifier=judge) for n in (4, 16))
    assert arm_of(few) == arm_of(many)
    assert arm_of(many).at(16) == many
    alone = arm_of(RandomNoiseSearch(n=1, verifier=judge))
    assert arm_of(many).serves(alone) and not alone.serves(arm_of(many))
    assert alone.verifier is None
    other = arm_of(RandomNoiseSearch(n=4, verifier=ClassLogprob(engine="other")))
    assert other.stream == alone.stream and not other.serves(arm_of(few)) and other.serves(alone)
    assert arm_of(few.model_copy(update={"steps": 4})).stream != alone.stream
    assert not is_pooled(few.model_copy(update={"final_steps": 16}))
    assert is_pooled(few.model_copy(update={"final_steps": few.steps}))


def test_the_curve_of_a_pool_tells_what_more_noises_give(made) -> None:
    curve = made.curves[0]
    assert curve.pool == "generator, 2 steps verifier=class_logprob"
    assert {row.n for row in curve.rows} == {1, 2, 4, 8}
    told = {(row.n, row.kind): row.estimate.accuracy for row in curve.rows}
    assert told[1, "best_by_score"] == told[1, "average"] < told[8, "best_by_score"] <= told[8, "best"]


def test_equal_noises_are_paid_once(found, made) -> None:
    assert made.ledger.saved("nfe") > 0.05
    assert found.paid.nfe <= 3_000
    assert found.paid.compute_ns > 0


def test_levels_and_budget_may_be_in_seconds(tmp_path, made) -> None:
    sweep = image_sweep(by="compute_seconds", budget={"compute_seconds": 1.2}, levels=[0.0015, 0.01])
    found, progress = swept(sweep, tmp_path / "s.db")
    seconds = report(found)
    assert seconds.is_confirmed
    assert all(seconds.point(level.chosen).cost["compute_seconds"] <= level.limit for level in seconds.levels)
    assert progress.spent.compute_ns <= 1.2e9
    text = page(found)
    assert "≤ 0.0015" in text
    assert "Compute seconds at most" in text


def test_running_again_pays_nothing_and_changes_nothing(tmp_path, found) -> None:
    first, _ = swept(image_sweep(), tmp_path / "s.db")
    again, progress = swept(image_sweep(), tmp_path / "s.db")
    assert progress.paid.nfe == 0
    assert page(again) == page(first) == page(found)


def test_what_was_stopped_goes_on_to_the_same_end(tmp_path, found) -> None:
    class Stopped(Exception):
        """Raised by an observer that has seen enough."""

    def stop(progress: Progress) -> None:
        if progress.phase == "search" and progress.done >= 40:
            raise Stopped

    with pytest.raises(Stopped):
        swept(image_sweep(), tmp_path / "s.db", stop)
    resumed, progress = swept(image_sweep(), tmp_path / "s.db")
    assert 0 < progress.replayed < progress.tasks
    assert page(resumed) == page(found)


def test_the_report_shows_what_was_made(found, made) -> None:
    pictures = made.pictures
    assert [row.name for row in pictures.rows] == [
        p.name for p in sorted((made.point(row.name) for row in pictures.rows), key=lambda p: p.cost_in("nfe"))
    ]
    assert {*(level.chosen for level in made.levels), *made.baselines} == {row.name for row in pictures.rows}
    for row in pictures.rows:
        for query, picture in zip(pictures.queries, row.pictures, strict=True):
            file = base64.b64decode(picture.png)
            digit = int(re.search(r"\d+", query)[0])
            assert picture.value == float(_seen(file) == digit)
    text = page(found)
    assert "img-src data:" in text
    assert text.count("<img ") == len(pictures.rows) * len(pictures.queries)
    assert f'src="data:image/png;base64,{pictures.rows[0].pictures[0].png}"' in text
    assert text.count("✗") > 1


def _seen(file: bytes) -> int:
    """The component whose mean the pixels of a 3 x 3 grey PNG file without filters are next to."""
    import zlib

    start = file.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(file[start:]), np.uint8).reshape(3, 4)
    x = rows[:, 1:].ravel() / 127.5 - 1.0
    return int(np.argmin(((np.array(MEANS) - x) ** 2).sum(axis=1)))


def test_the_space_of_images_holds_every_search_of_each_width() -> None:
    space = denoising_space([{"kind": "class_logprob"}], most=8, steps=(2, 4), conditional=False)
    found = [point.strategy for point in space.enumerate()]
    assert {strategy.kind for strategy in found} == {
        "random_noise_search",
        "zero_order_search",
        "path_search",
        "svdd",
        "denoising_beam",
        "denoising_rebase",
        "feynman_kac",
        "rollover_budget_forcing",
    }
    assert {strategy.n for strategy in found if strategy.kind == "svdd"} == {2, 4, 8}
    assert {(strategy.steps, strategy.interpolant) for strategy in found} == {
        (steps, path) for steps in (2, 4) for path in ("linear", "variance_preserving")
    }
    assert not any(strategy.conditional for strategy in found)


def test_pictures_must_be_base64_and_one_a_query() -> None:
    row = {"name": "a", "pictures": [{"png": "aGk=", "value": 1}]}
    assert Pictures.model_validate({"queries": ["q"], "rows": [row]}).rows[0].pictures[0].value == 1
    with pytest.raises(UsageError, match="1 of 2"):
        Pictures.model_validate({"queries": ["q", "r"], "rows": [row]})
    hostile = {"name": "a", "pictures": [{"png": '"><script>', "value": 1}]}
    with pytest.raises(ValueError, match="pattern"):
        Pictures.model_validate({"queries": ["q"], "rows": [hostile]})


def test_thumbnails_are_means_of_squares() -> None:
    assert thumbnail(None) == ""
    small = Image(3, 1, 3, bytes(range(9)))
    assert base64.b64decode(thumbnail(small)) == png(small)
    wide = Image.of(np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3))
    assert shrunk(wide, 3).array.tolist() == [[[9, 10, 11], [15, 16, 17], [20, 20, 22]]]
    photo = Image.of(np.random.default_rng(0).integers(0, 256, (500, 333, 3), dtype=np.uint8))
    assert len(thumbnail(photo)) <= 16_384


async def test_a_checker_that_cannot_judge_images_is_refused_before_a_call_is_made(tmp_path) -> None:
    sweep = image_sweep(checker={"kind": "exact_match"})
    with pytest.raises(UsageError, match="some make images and it judges texts; choose one of images"):
        await outline(sweep)


def test_the_same_refusal_comes_from_the_sweep(tmp_path) -> None:
    with pytest.raises(UsageError, match="some make images"):
        swept(image_sweep(checker={"kind": "exact_match"}), tmp_path / "s.db")


async def test_labels_are_kept_by_image_and_not_by_the_text_that_none_has() -> None:
    asked = []

    async def label(candidate: Candidate) -> float:
        asked.append(candidate.image)
        return candidate.image.pixels[0] / 255

    recorded = Recorded(_Empty(), Query.ask("a 1"), {}, (), label)
    shown = [Candidate((), "", Finish.EOS, image=Image(1, 1, 1, bytes([level]))) for level in (0, 255, 0)]
    assert [await recorded.label([each]) for each in shown] == [0.0, 1.0, 0.0]
    assert len(asked) == 2


class _Empty:
    """A store that holds nothing."""

    async def get(self, keys):
        return {}

    async def step(self, run, place):
        return None

    async def append(self, rows):
        raise AssertionError("nothing is written")
