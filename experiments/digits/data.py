"""The 1,797 8x8 digits that scikit-learn brings along, split once for all, as pixels in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST = 600
SPLIT_SEED = 0

Images = NDArray[np.float32]  # [n, 64] in [-1, 1], row by row
Labels = NDArray[np.int64]  # [n] in 0..9


@dataclass(frozen=True, slots=True)
class Digits:
    """Images and the digit each shows."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, count: int, seed: int) -> Digits:
        """`count` of them with classes in proportion."""
        rows, _ = train_test_split(np.arange(len(self)), train_size=count, stratify=self.labels, random_state=seed)
        return Digits(self.images[rows], self.labels[rows])


@cache
def every() -> Digits:
    """All images."""
    images, labels = load_digits(return_X_y=True)
    return Digits((images / 8 - 1).astype(np.float32), labels.astype(np.int64))


@cache
def split() -> tuple[Digits, Digits]:
    """1,197 images to train on and 600 to test on, classes in proportion.

    >>> [len(part) for part in split()]
    [1197, 600]
    """
    digits = every()
    train, test = train_test_split(
        np.arange(len(digits)), test_size=TEST, stratify=digits.labels, random_state=SPLIT_SEED
    )
    return Digits(digits.images[train], digits.labels[train]), Digits(digits.images[test], digits.labels[test])
