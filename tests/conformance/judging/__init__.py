"""The suite in this process: its tests are collected once, and called for each adapter.

`suite` has them; `verdicts` says of an adapter which clauses they find broken, and `share` how many
of them are asked. What the reference says is computed once. `pytest conformance/` judges alike,
from a command line and with a verdict.
"""

from __future__ import annotations

from .share import is_asked
from .suite import Test, collected
from .verdicts import Verdict, forget_implementations

__all__ = ["Test", "Verdict", "collected", "forget_implementations", "is_asked"]
