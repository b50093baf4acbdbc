"""The model card of digits-flow, written from the measured figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from .classifiers import HIDDEN

WIDTH = 120
MARKED = ("---", "#", "```")  # what begins a part that keeps its lines

INTRODUCTION = """---
license: apache-2.0
library_name: diffusers
tags: [flow-matching, class-conditional, digits]
---

# digits-flow

A tiny class-conditional flow model of handwritten digits, 8 by 8 pixels: a diffusion transformer (DiT, Peebles & Xie
2022, arXiv 2212.09748; {parameters:,} parameters, stored as float16) trained by rectified flow (Liu et al. 2022, arXiv
2209.03003). It shows in seconds on a processor core what search over noise does for a real, trained model, and knows
nothing else.

`DiTTransformer2DModel` of diffusers opens the folder, which `ponder.orchestrator.models.digits_flow()` names:

```python
model = DiTTransformer2DModel.from_pretrained(digits_flow()).eval()
velocity = model(x, timestep=1000 * t, class_labels=labels).sample
```

`x` is [n, 1, 8, 8], `t` is [n] in [0, 1] with 1 noise and 0 image, and `velocity` is `dx/dt` along
`x_t = (1 - t) x + t eps`, so that the image predicted from `x` is `x - t * velocity`. Images are pixels in [-1, 1]:
`8 * (x + 1)` is the brightness, 0 to 16. A label is a digit, or 10 for none. In training mode the model drops labels:
call `eval()`.

Beside it lie two classifiers of such pixels, for a search to judge by: `weak_classifier.safetensors`, multinomial
logistic regression on {weak_images} training images, and `classifier.safetensors`, a network with a hidden layer of
{hidden}. Each holds the arrays `w0`, `b0` and, in the latter, `w1`, `b1`: layers `x @ w + b` with ReLU between them,
from the 64 pixels row by row to the logits of the ten digits.

## Data and training

Made by `python experiments/train_digits.py` from seed {seed} in {minutes} minutes of one core. The data are the 1,797
digits in scikit-learn, the test part of the Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998, UCI
Machine Learning Repository, CC BY 4.0): {images:,} to train on and {held out} held out, classes in proportion.
{steps:,} steps of AdamW on batches of {batch}, learning rate {peak} falling as a cosine; times uniform; the label is
dropped in one case of ten; the weights are an exponential average over the steps, of decay {decay} at most.

## Figures

Measured by the same script with these weights, {count:,} images of each kind in {euler} Euler steps without guidance.
The judges are a network and a support vector machine trained on all 1,797 images. *Frechet* is the squared Frechet
distance of the network's features to those of all images. Null-label images are asked for nothing and compared with a
digit drawn beforehand, so 0.1 is chance.
"""

LIMITS = """## Limits

Eight by eight pixels, one style of writing, ten labels. With a label the task is solved already, in few steps; without
one the digits are less clean and not equally frequent. The weak classifier is weak on purpose: what a search makes of
it has to be judged by something else.
"""


def written(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    quality, classifiers, cost = figures["quality"], figures["classifiers"], figures["cost"]
    text = INTRODUCTION.format(
        **figures["training"],
        weak_images=classifiers["weak"]["images"],
        hidden=HIDDEN,
        count=quality["images"],
        euler=quality["steps"],
    )
    kinds = ("real", "conditional", "null label")
    judged = ([kind, *quality[kind].values()] for kind in kinds)
    own = ([name, *found.values()] for name, found in classifiers.items())
    times = cost["milliseconds by rows"]
    classes = _wrapped(
        f"The validation loss is {quality['validation loss']}. Of the null-label images the support vector machine "
        f"finds, for the digits from 0 to 9, {', '.join(map(str, quality['classes of the null label']))}."
    )
    passes = _wrapped(
        f"Milliseconds of a forward pass by the rows in it, in float32, with {cost['threads']} thread and a load "
        f"average of {cost['load']}, of which the measuring process is 1; from run to run they differ by up to 40 %:"
    )
    return "\n".join(
        [
            _wrapped(text),
            _table(["images", "network", "support vector machine", "Frechet"], judged),
            classes,
            _table(["classifier", "trained on", "held-out accuracy"], own),
            passes,
            _table(list(times), [list(times.values())]),
            LIMITS,
        ]
    )


def _wrapped(text: str) -> str:
    parts = text.strip().split("\n\n")
    return "\n\n".join(part if part.startswith(MARKED) else textwrap.fill(part, WIDTH) for part in parts) + "\n"


def _table(head: list[str], rows: Iterable[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
