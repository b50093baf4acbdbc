"""Experiments are scripts, each with its modules beside it: their folder is where Python finds those."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))
