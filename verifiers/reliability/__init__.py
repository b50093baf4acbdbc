"""How far a verifier can be trusted: what it misses and lets through, what that costs, and how to calibrate it."""

from .best_of_n_law import BestOfNLaw
from .calibration import calibration
from .canaries import CANARIES
from .false_positives import measured_false_positives
from .isotonic import fit_isotonic
from .judged_pool import JudgedPool
from .mixed_resampling_law import MixedResamplingLaw
from .platt import fit_platt
from .prediction import Curve, predicted
from .reliability import Judged, Reliability
from .resampling_law import ResamplingLaw
from .score_map import IsotonicMap, PlattMap
from .worth_trying import WorthTrying

__all__ = [
    "CANARIES",
    "BestOfNLaw",
    "Curve",
    "IsotonicMap",
    "Judged",
    "JudgedPool",
    "MixedResamplingLaw",
    "PlattMap",
    "Reliability",
    "ResamplingLaw",
    "WorthTrying",
    "calibration",
    "fit_isotonic",
    "fit_platt",
    "measured_false_positives",
    "predicted",
]
