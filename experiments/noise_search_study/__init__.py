"""The parts of `experiments/noise_search.py`."""
