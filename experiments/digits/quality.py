"""How good the digits of a flow model are, by judges that were never searched on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import DiTTransformer2DModel
from numpy.typing import NDArray

from .data import Digits, Images, every, split
from .flow import CLASSES, NULL, loss, tensors
from .frechet import frechet
from .judges import mlp_judge, svc_judge
from .sampling import noise, sampled

ROUNDS = 10  # times and noises for each test image in the validation loss


def quality(model: DiTTransformer2DModel, count: int, steps: int, seed: int) -> dict[str, Any]:
    """Validation loss, and conditional and null-label samples beside as many real images.

    The wanted digits go round 0 to 9, so a null-label sample shows the wanted one with probability 0.1.

    Args:
        model: in evaluation mode.
        count: images of each kind.
        steps: Euler steps.
        seed: of the noise, the times and the choice of real images.
    """
    wanted = np.arange(count) % CLASSES
    given = {"conditional": torch.from_numpy(wanted), "null label": torch.full((count,), NULL)}
    made = {name: sampled(model, noise(count, seed), labels, steps) for name, labels in given.items()}
    real = every().sample(count, seed)
    return {
        "images": count,
        "steps": steps,
        "seed": seed,
        "validation loss": round(validation_loss(model, split()[1], seed), 4),
        "real": judged(real.images, real.labels),
        **{name: judged(images, wanted) for name, images in made.items()},
        "classes of the null label": np.bincount(svc_judge().predict(made["null label"]), minlength=CLASSES).tolist(),
    }


def judged(images: Images, wanted: NDArray[np.integer]) -> dict[str, float]:
    """The share each judge finds to show the wanted digit, and the Frechet distance to all real images."""
    judge = mlp_judge()
    distance = frechet(judge.features(images), judge.features(every().images))
    return {
        "mlp judge": round(float(np.mean(judge.predict(images) == wanted)), 4),
        "svc judge": round(float(np.mean(svc_judge().predict(images) == wanted)), 4),
        "frechet": round(distance, 2),
    }


@torch.no_grad()
def validation_loss(model: DiTTransformer2DModel, digits: Digits, seed: int) -> float:
    """The loss on held-out images under fixed times and noise."""
    images, labels = (part.repeat(ROUNDS, *[1] * (part.dim() - 1)) for part in tensors(digits))
    times = (torch.arange(len(labels)) + 0.5) / len(labels)
    times = times[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    return float(loss(model, images, labels, (times, noise(len(labels), seed))))
