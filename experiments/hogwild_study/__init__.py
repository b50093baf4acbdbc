"""The parts of `experiments/hogwild.py`."""
