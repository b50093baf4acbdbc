"""The parts of the study of our search and Archon's, `search_vs_itas.py`."""
