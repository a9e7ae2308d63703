"""A training loop, and runs that go on from checkpoints as if they had not ended."""

from .loop import fit
from .trials import Trials

__all__ = ["Trials", "fit"]
