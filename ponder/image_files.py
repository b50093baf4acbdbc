"""The files that the command line writes images to."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from .orchestrator.errors import UsageError
from .orchestrator.pipeline import Pipeline
from .orchestrator.plan import Plan
from .orchestrator.shape import Shape


def checked_goal(pipeline: Pipeline, asked: Path | None, file: Path) -> Path:
    """Where an image of a pipeline goes: where it was asked to go, or here, under a free name after its file.

    Raises:
        UsageError: it cannot go there, or the pipeline makes texts and a place was asked for.
    """
    if asked is None:
        places = (Path(f"{file.stem}_{i}.png" if i > 1 else f"{file.stem}.png") for i in count(1))
        return next(place for place in places if not any(each.exists() for each in (place, *image_places(place, 2))))
    if pipeline.infer(Shape(), Plan()).medium != "image":
        raise UsageError(f"--image must be for a pipeline that makes images, but {file} makes texts; leave it out")
    if asked.suffix.lower() != ".png" or not asked.parent.is_dir():
        raise UsageError(f"--image must be a PNG file in a folder that is there, got {asked}; name such as image.png")
    return asked


def image_places(goal: Path, images: int) -> list[Path]:
    """The files of so many images: `goal` for one, numbered for several.

    >>> [str(place) for place in image_places(Path("three.png"), 2)]
    ['three-1.png', 'three-2.png']
    """
    return [goal] if images == 1 else [goal.with_stem(f"{goal.stem}-{i}") for i in range(1, images + 1)]
