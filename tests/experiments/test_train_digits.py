"""The committed digits-flow is what its training script makes and what its card says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiTTransformer2DModel
from digits import card, classifiers
from digits.data import every, split
from digits.flow import NULL, Recipe, batches, loss, network, trained
from digits.judges import mlp_judge, svc_judge
from digits.sampling import noise, sampled
from safetensors.numpy import load_file
from train_digits import RESULTS

from ponder.orchestrator.models import digits_flow

pytestmark = pytest.mark.usefixtures("one_thread")

WANTED = np.arange(100) % 10


@pytest.fixture(scope="module")
def model() -> DiTTransformer2DModel:
    return DiTTransformer2DModel.from_pretrained(digits_flow(), low_cpu_mem_usage=False)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return json.loads(RESULTS.read_text())


def test_the_folder_is_small_and_opens_ready_to_sample(model: DiTTransformer2DModel, figures: dict[str, Any]) -> None:
    assert sum(file.stat().st_size for file in digits_flow().iterdir()) < 2e6
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert sum(parameter.numel() for parameter in model.parameters()) == figures["training"]["parameters"] == 828_964


def test_it_draws_the_digit_it_is_told(model: DiTTransformer2DModel) -> None:
    made = sampled(model, noise(100, 1), torch.from_numpy(WANTED), 8)
    assert np.sum(mlp_judge().predict(made) == WANTED) >= 97
    assert np.sum(svc_judge().predict(made) == WANTED) >= 97


def test_it_draws_any_digit_when_told_none(model: DiTTransformer2DModel) -> None:
    made = sampled(model, noise(100, 1), torch.full((100,), NULL), 8)
    assert 2 <= np.sum(mlp_judge().predict(made) == WANTED) <= 20


def test_a_step_of_the_training_is_the_same_again() -> None:
    digits = split()[0]
    one, again, other = (trained(digits, Recipe(steps=1, batch=8), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_first_loss_of_the_training() -> None:
    torch.manual_seed(0)
    model = network()
    images, labels = next(batches(split()[0], 128))
    value = loss(model, images, labels, (torch.rand(128), torch.randn_like(images)))
    assert value.item() == pytest.approx(2.178257, rel=1e-4)


@pytest.mark.parametrize(("kind", "file"), [("weak", "weak_classifier"), ("better", "classifier")])
def test_the_classifiers_are_as_good_as_documented(kind: str, file: str, figures: dict[str, Any]) -> None:
    layers = load_file(digits_flow() / f"{file}.safetensors")
    assert round(classifiers.accuracy(layers, split()[1]), 4) == figures["classifiers"][kind]["accuracy"]
    retrained = getattr(classifiers, kind)()
    assert layers.keys() == retrained.keys()
    for name in layers:
        np.testing.assert_allclose(layers[name], retrained[name], atol=1e-3)


def test_the_judge_says_one_thing_in_three_ways() -> None:
    images = every().images[:50]
    judge = mlp_judge()
    assert judge.features(images).shape == (50, 32)
    logits = judge.log_proba(images)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1)
    assert (logits.argmax(axis=1) == judge.predict(images)).all()


def test_the_card_holds_the_measured_figures(figures: dict[str, Any]) -> None:
    assert (digits_flow() / "README.md").read_text() == card.written(figures)
