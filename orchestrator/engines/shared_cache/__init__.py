"""Exact shared-cache decoding: workers of one transformers model write to one cache, and see each other at once.

Hogwild! inference (Rodionov et al. 2025, arXiv 2504.06261). Modules here import torch: import them lazily.
"""

PAGE_SIZE = 32
"""Tokens of a page: of 16 to 128 the fastest, where histories are of many short steps, or within 3 % of it."""
