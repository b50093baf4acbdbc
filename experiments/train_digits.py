"""Trains digits-flow from one seed: a small class-conditional flow model, and two classifiers to search by.

    python experiments/train_digits.py

Writes `orchestrator/models/digits-flow/` with its model card, and `experiments/results/digits_flow.json`. One core is
enough: about four minutes. The same machine gives the same weights again.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import DiTTransformer2DModel
from digits import card, classifiers
from digits.cost import cost
from digits.data import split
from digits.flow import Recipe, trained
from digits.quality import quality

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "orchestrator" / "models" / "digits-flow"
RESULTS = ROOT / "experiments" / "results" / "digits_flow.json"

SEED = 0
RECIPE = Recipe(steps=1500)
IMAGES = 1000  # of each kind, for the figures
STEPS = 8  # of Euler, for the figures


def saved(model: DiTTransformer2DModel) -> DiTTransformer2DModel:
    """The model as others will open it, with weights rounded to float16."""
    model.half().save_pretrained(FOLDER)
    (FOLDER / "diffusion_pytorch_model.safetensors").chmod(0o644)
    return DiTTransformer2DModel.from_pretrained(FOLDER, low_cpu_mem_usage=False).eval()


def classified() -> dict[str, Any]:
    """Train and save both classifiers; what they were trained on and how good they are."""
    train, test = split()
    weak, better = classifiers.weak(), classifiers.better()
    classifiers.save(weak, FOLDER / "weak_classifier.safetensors")
    classifiers.save(better, FOLDER / "classifier.safetensors")
    return {
        "weak": {"images": classifiers.WEAK_IMAGES, "accuracy": round(classifiers.accuracy(weak, test), 4)},
        "better": {"images": len(train), "accuracy": round(classifiers.accuracy(better, test), 4)},
    }


def main() -> None:
    """Train, save, measure."""
    torch.set_num_threads(1)
    train, test = split()
    start = time.process_time()
    model = trained(train, RECIPE, SEED)
    training = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seed": SEED,
        "minutes": round((time.process_time() - start) / 60, 1),
        "images": len(train),
        "held out": len(test),
        **asdict(RECIPE),
    }
    model = saved(model)
    figures = {
        "training": training,
        "quality": quality(model, IMAGES, STEPS, SEED),
        "classifiers": classified(),
        "cost": cost(model),
    }
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    (FOLDER / "README.md").write_text(card.written(figures))


if __name__ == "__main__":
    main()
