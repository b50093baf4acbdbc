"""Held-out judges of made digits: trained on all 1,797 images in seconds, never shipped, never searched on."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from .data import Images, Labels, every

HIDDEN = (64, 32)  # the second layer gives the features


class MLPJudge:
    """A network of two hidden layers, whose second gives the features of the Frechet distance."""

    def __init__(self) -> None:
        digits = every()
        model = MLPClassifier(HIDDEN, alpha=0.01, max_iter=500, random_state=1)
        self._model = model.fit(digits.images.astype(np.float64), digits.labels)

    def predict(self, images: Images) -> Labels:
        """The digit each of the images [n, 64] shows."""
        return self._model.predict(images.astype(np.float64))

    def log_proba(self, images: Images) -> NDArray[np.float64]:
        """The log-probabilities [n, 10] of the digits."""
        return self._model.predict_log_proba(images.astype(np.float64))

    def features(self, images: Images) -> NDArray[np.float64]:
        """The 32 activations of the second hidden layer, [n, 32]."""
        value = images.astype(np.float64)
        for weight, bias in zip(self._model.coefs_[:-1], self._model.intercepts_[:-1], strict=True):
            value = np.maximum(value @ weight + bias, 0)
        return value


class SVCJudge:
    """A support vector machine with Gaussian kernel."""

    def __init__(self) -> None:
        digits = every()
        self._model = SVC(C=10).fit(digits.images, digits.labels)

    def predict(self, images: Images) -> Labels:
        """The digit each of the images [n, 64] shows."""
        return self._model.predict(images)


@cache
def mlp_judge() -> MLPJudge:
    """The network, trained once a process."""
    return MLPJudge()


@cache
def svc_judge() -> SVCJudge:
    """The support vector machine, trained once a process."""
    return SVCJudge()
