"""Two classifiers of pixels, a weak and a better one, as plain matrices that a search may judge by.

A file holds `w0, b0, w1, b1, ...`: layers `x @ w + b` with ReLU between them, from 64 pixels in [-1, 1] to the logits
of the ten digits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from .data import Digits, Images, split

WEAK_IMAGES = 60
HIDDEN = 32

Layers = dict[str, NDArray[np.float32]]


def weak() -> Layers:
    """Multinomial logistic regression on 60 training images."""
    digits = split()[0].sample(WEAK_IMAGES, seed=0)
    model = LogisticRegression(max_iter=1000).fit(digits.images, digits.labels)
    return _layers([model.coef_.T], [model.intercept_])


def better() -> Layers:
    """A network of one hidden layer on all training images."""
    digits = split()[0]
    model = MLPClassifier((HIDDEN,), alpha=0.1, max_iter=1000, random_state=0).fit(digits.images, digits.labels)
    return _layers(model.coefs_, model.intercepts_)


def _layers(weights: list[NDArray[np.float64]], biases: list[NDArray[np.float64]]) -> Layers:
    made = {f"w{at}": weight for at, weight in enumerate(weights)} | {f"b{at}": bias for at, bias in enumerate(biases)}
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in made.items()}


def logits(layers: Layers, images: Images) -> NDArray[np.float32]:
    """The logits [n, 10] of images [n, 64].

    >>> layers = {"w0": np.eye(2), "b0": np.ones(2), "w1": np.eye(2), "b1": np.zeros(2)}
    >>> logits(layers, np.array([[1.0, -3.0]])).tolist()
    [[2.0, 0.0]]
    """
    last = len(layers) // 2 - 1
    value = images
    for at in range(last + 1):
        value = value @ layers[f"w{at}"] + layers[f"b{at}"]
        value = value if at == last else np.maximum(value, 0)
    return value


def accuracy(layers: Layers, digits: Digits) -> float:
    """The share of the images whose largest logit is their digit's."""
    return float(np.mean(logits(layers, digits.images).argmax(axis=1) == digits.labels))


def save(layers: Layers, file: Path) -> None:
    """Write the layers; `classifiers` says how to read them."""
    save_file(layers, file)
    file.chmod(0o644)
