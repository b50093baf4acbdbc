"""Search over noise against more denoising steps: what each method makes of the same network evaluations."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from noise_search_study.cells import worked
from noise_search_study.engines import engines
from noise_search_study.lineup import cells
from noise_search_study.pilot import PILOT, PILOT_PROMPTS, PILOT_SEEDS

RUNS = Path("runs") / "noise_search"


def main() -> int:
    """Run what is missing, compare, and write what it says."""
    asyncio.run(worked(cells(PILOT, PILOT_SEEDS, PILOT_PROMPTS), engines(), RUNS / "pilot"))
    asyncio.run(worked(cells(), engines(), RUNS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
