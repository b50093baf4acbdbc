"""ponder: the best answer for the compute you can pay.

Define pipelines of inference-time strategies in Python, run budgeted sweeps across a cluster, and call the composed
system as a single model. Everything here is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ponder.orchestrator.archon": ("archon",),
    "ponder.orchestrator.budget": ("Budget",),
    "ponder.orchestrator.cluster": ("Cluster",),
    "ponder.orchestrator.data.sources": (
        "AbacusData",
        "DigitsData",
        "FileData",
        "HubData",
        "HumanEvalData",
        "SimulatedData",
    ),
    "ponder.orchestrator.deployment": ("deploy",),
    "ponder.orchestrator.deployment.spec": ("Deployment",),
    "ponder.orchestrator.engines.diffusion": ("DiffusionSpec",),
    "ponder.orchestrator.engines.image_reward": ("ImageRewardSpec",),
    "ponder.orchestrator.engines.openai": ("OpenAISpec",),
    "ponder.orchestrator.engines.simulated": ("SimulatedSpec",),
    "ponder.orchestrator.engines.torch": ("TorchSpec",),
    "ponder.orchestrator.engines.vllm": ("VLLMSpec",),
    "ponder.orchestrator.errors": (
        "BudgetExceeded",
        "EngineError",
        "JournalError",
        "PonderError",
        "ShapeError",
        "UsageError",
        "VerifierError",
    ),
    "ponder.orchestrator.frontier": ("Frontier",),
    "ponder.orchestrator.judge": ("ajudge", "judge"),
    "ponder.orchestrator.pipeline": ("Node", "Pipeline"),
    "ponder.orchestrator.pipeline_engine": ("PipelineEngineSpec",),
    "ponder.orchestrator.pipeline_file": ("load", "save", "to_mermaid", "to_text"),
    "ponder.orchestrator.run": ("arun", "run"),
    "ponder.orchestrator.run_state": ("Written",),
    "ponder.orchestrator.runtime": ("Runtime", "Task"),
    "ponder.orchestrator.types": ("Candidate", "Message", "Query", "Result", "Score", "Usage"),
    "ponder.search.calling": ("asweep", "sweep"),
    "ponder.search.spaces.presets": (
        "adaptive_space",
        "archon_space",
        "best_of_n_space",
        "denoising_space",
        "stepwise_space",
    ),
    "ponder.search.spaces.space": ("Space",),
    "ponder.search.sweep": ("Sweep",),
    "ponder.watching": ("show_workers",),
}
_MODULES = {"domains": "ponder.domains", "models": "ponder.orchestrator.models"}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from . import domains
    from .orchestrator import models
    from .orchestrator.archon import archon
    from .orchestrator.budget import Budget
    from .orchestrator.cluster import Cluster
    from .orchestrator.data.sources import AbacusData, DigitsData, FileData, HubData, HumanEvalData, SimulatedData
    from .orchestrator.deployment import deploy
    from .orchestrator.deployment.spec import Deployment
    from .orchestrator.engines.diffusion import DiffusionSpec
    from .orchestrator.engines.image_reward import ImageRewardSpec
    from .orchestrator.engines.openai import OpenAISpec
    from .orchestrator.engines.simulated import SimulatedSpec
    from .orchestrator.engines.torch import TorchSpec
    from .orchestrator.engines.vllm import VLLMSpec
    from .orchestrator.errors import (
        BudgetExceeded,
        EngineError,
        JournalError,
        PonderError,
        ShapeError,
        UsageError,
        VerifierError,
    )
    from .orchestrator.frontier import Frontier
    from .orchestrator.judge import ajudge, judge
    from .orchestrator.pipeline import Node, Pipeline
    from .orchestrator.pipeline_engine import PipelineEngineSpec
    from .orchestrator.pipeline_file import load, save, to_mermaid, to_text
    from .orchestrator.run import arun, run
    from .orchestrator.run_state import Written
    from .orchestrator.runtime import Runtime, Task
    from .orchestrator.types import Candidate, Message, Query, Result, Score, Usage
    from .search.calling import asweep, sweep
    from .search.spaces.presets import adaptive_space, archon_space, best_of_n_space, denoising_space, stepwise_space
    from .search.spaces.space import Space
    from .search.sweep import Sweep
    from .watching import show_workers

__all__ = [
    "AbacusData",
    "Budget",
    "BudgetExceeded",
    "Candidate",
    "Cluster",
    "Deployment",
    "DiffusionSpec",
    "DigitsData",
    "EngineError",
    "FileData",
    "Frontier",
    "HubData",
    "HumanEvalData",
    "ImageRewardSpec",
    "JournalError",
    "Message",
    "Node",
    "OpenAISpec",
    "Pipeline",
    "PipelineEngineSpec",
    "PonderError",
    "Query",
    "Result",
    "Runtime",
    "Score",
    "ShapeError",
    "SimulatedData",
    "SimulatedSpec",
    "Space",
    "Sweep",
    "Task",
    "TorchSpec",
    "Usage",
    "UsageError",
    "VLLMSpec",
    "VerifierError",
    "Written",
    "adaptive_space",
    "ajudge",
    "archon",
    "archon_space",
    "arun",
    "asweep",
    "best_of_n_space",
    "denoising_space",
    "deploy",
    "domains",
    "judge",
    "load",
    "models",
    "run",
    "save",
    "show_workers",
    "stepwise_space",
    "sweep",
    "to_mermaid",
    "to_text",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ponder' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
