"""An allocator that is watched."""

from ponder.strategies.level_search import Allocator, Level


class Watched:
    """An allocator that remembers the levels it saw, and what it gave."""

    def __init__(self, allocator: Allocator) -> None:
        self.allocator, self.levels, self.counts = allocator, list[Level](), list[list[int]]()

    def allocate(self, level: Level) -> list[int]:
        self.levels.append(level)
        self.counts.append(self.allocator.allocate(level))
        return self.counts[-1]
