"""Remember what an implementation returned, so that all clauses of a call judge one call."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

__all__ = ["remember"]

MOST_RECORDS = 200
"""The most records of one function that are kept: some implementations' worth."""


def remember(make: Callable[..., Any]) -> Callable[..., Any]:
    """Remember what a function of an implementation and of hashable arguments returns.

    An implementation need not be hashable: it is known by its identity, and kept with its records.
    Exceptions are not remembered, so that each clause sees them.
    """
    records: collections.OrderedDict[Any, tuple[Any, Any]] = collections.OrderedDict()

    @functools.wraps(make)
    def recall(implementation: Any, *arguments: Any, **options: Any) -> Any:
        key = (id(implementation), arguments, tuple(sorted(options.items())))
        if key not in records:
            records[key] = (implementation, make(implementation, *arguments, **options))
            if len(records) > MOST_RECORDS:
                records.popitem(last=False)
        return records[key][1]

    return recall
