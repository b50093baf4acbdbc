"""The parts of the study of erring verifiers, `flaws.py`."""
