"""Images on the command line and in Python: written to files whose place, scores and cost are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli import PIPELINE, ponder

import ponder as library
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.png import png

MEANS = "means = [[0.5, -0.5, 0.5, -0.5], [-0.5, 0.5, -0.5, 0.5]]"
JUDGE = 'verifier = { kind = "class_logprob" }'
SEARCH = f"""
[[nodes]]
name = "search"
strategy = {{ kind = "random_noise_search", n = 3, steps = 2, conditional = false, {JUDGE} }}
[engines.generator]
kind = "diffusion"
row_seconds = 0.001
denoiser = {{ kind = "mixture", {MEANS}, shape = [2, 2, 1] }}
[engines.reward]
kind = "image_reward"
model = {{ kind = "gaussian_classifier", {MEANS} }}
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pictures.toml").write_text(SEARCH)
    Path("words.toml").write_text(PIPELINE)
    return tmp_path


def made() -> library.Result:
    return library.run(library.load("pictures.toml"), "a 1")


def test_an_image_is_written_and_its_scores_and_cost_are_told(capsys, files) -> None:
    code, out, err = ponder(capsys, "run", "pictures.toml", "a 1")
    best = made().best
    assert code == 0
    assert Path("pictures.png").read_bytes() == png(best.image)
    score = best.scores["class_logprob"].value
    assert out == f"pictures.png: 2 x 2 pixels\nclass_logprob={score:.4g}\n"
    assert "6 network evaluations" in err
    assert "0.006 compute seconds" in err
    assert {each.name for each in files.iterdir()} == {"pictures.toml", "words.toml", "pictures.png"}


def test_all_images_are_numbered_the_best_first(capsys) -> None:
    code, out, _ = ponder(capsys, "run", "pictures.toml", "a 1", "--all", "--image", "one.png")
    assert code == 0
    assert [Path(f"one-{i}.png").read_bytes() for i in (1, 2, 3)] == [png(each.image) for each in made().candidates]
    assert out.count("class_logprob=") == 3


def test_a_budget_in_evaluations_ends_the_search(capsys) -> None:
    code, _, err = ponder(capsys, "run", "pictures.toml", "a 1", "--all", "--budget", "nfe=4")
    assert code == 0
    assert "budget: " in err
    assert Path("pictures-2.png").exists() and not Path("pictures-3.png").exists()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("pictures.toml", "a 1", "--image", "one.jpg"), "--image must be a PNG file"),
        (("pictures.toml", "a 1", "--image", "nowhere/one.png"), "in a folder that is there"),
        (("words.toml", "Problem 3", "--image", "one.png"), "makes texts"),
        (("pictures.toml", "a 1", "--budget", "nfe=1"), "nfe"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_paid(capsys, files, arguments, rule) -> None:
    before = sorted(files.iterdir())
    code, out, err = ponder(capsys, "run", *arguments)
    assert (code, out) == (1, "")
    assert rule in err
    assert sorted(files.iterdir()) == before


def test_an_image_saves_itself_as_png() -> None:
    image = made().best.image
    image.save("best.png")
    assert Path("best.png").read_bytes() == png(image)
    with pytest.raises(UsageError, match=r"as PNG, got 'best\.jpg'"):
        image.save("best.jpg")
    with pytest.raises(UsageError, match="No such file or directory; name another place"):
        Image(1, 1, 1, b"x").save(Path("nowhere") / "best.png")


def test_a_file_that_nobody_named_is_not_written_over(capsys) -> None:
    Path("pictures.png").write_text("precious")
    Path("pictures_2-1.png").mkdir()
    code, out, _ = ponder(capsys, "run", "pictures.toml", "a 1")
    assert code == 0
    assert out.startswith("pictures_3.png: 2 x 2 pixels")
    assert Path("pictures.png").read_text() == "precious"


def test_a_prompt_without_a_class_is_told_so(capsys) -> None:
    code, _, err = ponder(capsys, "run", "pictures.toml", "a one")
    assert code == 0
    assert "a query must name a class from 0 to 1 by its number, but names none" in err
