"""All wrong implementations: ``--implementation=wrong_implementations:NAME`` judges one."""

from __future__ import annotations

from typing import Any

from wrong import Wrong
from wrong_states import WRONG_STATES

WRONG: dict[str, Wrong] = {wrong.name: wrong for wrong in [*WRONG_STATES]}


def __getattr__(name: str) -> Any:
    """The adapter of that name."""
    try:
        wrong = WRONG[name]
    except KeyError:
        raise AttributeError(name) from None
    adapter = wrong.adapter()
    adapter.name = name
    return adapter
