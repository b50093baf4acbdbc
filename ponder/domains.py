"""What a knob of a space may hold in place of a value: ``from ponder.domains import Integers``."""

from .search.spaces.domains import Choice, Domain, Floats, Integers, Prefix, Repeat, Same

__all__ = ["Choice", "Domain", "Floats", "Integers", "Prefix", "Repeat", "Same"]
