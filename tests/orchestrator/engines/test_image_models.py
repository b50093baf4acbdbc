"""Reward models of images in plain numpy, and the embedded ones, as their engine shows them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.denoising import Look
from ponder.orchestrator.engines.image_models import IMAGE_MODELS, PixelClassifier, PixelSpread
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.images import Image
from ponder.orchestrator.models import digits_flow

RANDOM = np.random.default_rng(7)
IMAGES = [Image.of(RANDOM.integers(0, 256, (2, 2, 1), dtype=np.uint8)) for _ in range(5)]


def dense(*sizes: int) -> dict[str, np.ndarray]:
    layers = list(pairwise(sizes))
    weights = {f"w{i}": RANDOM.normal(size=size).astype(np.float32) for i, size in enumerate(layers)}
    return weights | {f"b{i}": RANDOM.normal(size=size[1]).astype(np.float32) for i, size in enumerate(layers)}


def saved(folder: Path, arrays: dict[str, np.ndarray]) -> PixelClassifier:
    save_file(arrays, folder / "it.safetensors")
    return PixelClassifier(weights=str(folder / "it.safetensors"))


def test_the_logits_are_those_of_the_layers(tmp_path: Path) -> None:
    arrays = dense(4, 6, 5, 3)
    model = saved(tmp_path, arrays).load()
    x = np.stack([image.array.ravel() / 127.5 - 1 for image in IMAGES])
    for i in range(2):
        x = np.maximum(x @ arrays[f"w{i}"] + arrays[f"b{i}"], 0)
    np.testing.assert_allclose(model.values(IMAGES, "anything"), x @ arrays["w2"] + arrays["b2"], rtol=1e-5, atol=1e-6)
    assert model.look_flops == 2 * (24 + 30 + 15) + 6 + 5 + 3


def test_a_model_is_named_by_its_weights_not_by_where_they_lie(tmp_path: Path) -> None:
    arrays = dense(4, 3)
    names = []
    for folder, held in (("a", arrays), ("b", arrays), ("c", {**arrays, "b0": arrays["b0"] + 1})):
        (tmp_path / folder).mkdir()
        names.append(saved(tmp_path / folder, held).load().identity)
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("pixel_classifier:")


def test_weights_of_any_name_are_told_apart(tmp_path: Path) -> None:
    arrays, names = dense(4, 3), set()
    for bias in (0, 1):
        file = Path(saved(tmp_path, {**arrays, "b0": arrays["b0"] + bias}).weights).rename(tmp_path / "weights")
        names.add(PixelClassifier(weights=str(file)).load().identity)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"kernel": np.zeros((4, 3), np.float32)}, "must hold w0, b0"),
        ({"w0": np.zeros((4, 3), np.float32)}, "must hold w0, b0"),
        ({**dense(4, 3), "w1": np.zeros((2, 2), np.float32), "b1": np.zeros(2, np.float32)}, "begin where"),
        ({"w0": np.zeros((4, 3), np.float32), "b0": np.zeros(2, np.float32)}, "begin where"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(EngineRefused, match=told):
        saved(tmp_path, arrays).load()


def test_a_file_that_is_none_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "it.safetensors").write_bytes(b"not weights")
    for name in ("it.safetensors", "missing.safetensors"):
        with pytest.raises(EngineRefused, match=r"safetensors\.torch\.save_file"):
            PixelClassifier(weights=str(tmp_path / name)).load()


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(EngineRefused, match=r"must have 64 bytes for this classifier, got \[4\]"):
        PixelClassifier().load().values(IMAGES, "")


@pytest.mark.parametrize(("weights", "least"), [("digits", 0.97), ("digits-weak", 0.8)])
def test_the_embedded_classifiers_know_digits(weights: str, least: float) -> None:
    digits = load_digits()
    bytes_ = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
    logits = PixelClassifier(weights=weights).load().values([Image.of(each) for each in bytes_], "")
    assert (logits.argmax(axis=1) == digits.target).mean() >= least
    assert (digits_flow() / "classifier.safetensors").is_file()


def test_spread_is_the_mean_distance_from_grey_whatever_the_prompt() -> None:
    images = [Image(1, 2, 1, bytes(pair)) for pair in ((0, 255), (0, 0), (127, 128), (0, 127))]
    found = PixelSpread().load().values(images, "a cat")
    np.testing.assert_allclose(found[:, 0], [1, 1, 0.5 / 127.5, (1 + 0.5 / 127.5) / 2], rtol=1e-5)


async def test_an_engine_looks_with_it() -> None:
    engine = ImageRewardSpec(model=PixelClassifier(weights="digits-weak"), look_seconds=0.001).open()
    await engine.start()
    (seen,) = await engine.look(Look((Image(8, 8, 1, bytes(64)),)))
    assert len(seen) == 10 and engine.capabilities.looks and not engine.capabilities.images
    assert engine.meter.looking().flops == 2 * 640 + 10
    await engine.close()


@pytest.mark.parametrize("kind", IMAGE_MODELS.names())
def test_each_kind_is_plain_data(kind: str) -> None:
    needed = {"means": [[0.0]], "model": "folder", "head": "head.safetensors"}
    fields = IMAGE_MODELS[kind].model_fields
    built = IMAGE_MODELS.build({"kind": kind, **{name: each for name, each in needed.items() if name in fields}})
    assert IMAGE_MODELS.build(built.model_dump(mode="json")) == built
    assert canonical_json(built)
