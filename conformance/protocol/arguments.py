"""Arguments of an adapter's methods, which must be left as they were (CONF-3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.problems import Network
from conformance.protocol.results import ProtocolError

__all__ = ["Snapshot"]


class Snapshot:
    """The arrays of some arguments, as they are now.

    What an adapter keeps as a state is its own, and is not looked into.
    """

    def __init__(self, arguments: Any):
        self.arrays = [(array, array.copy()) for array in _arrays(arguments)]

    def check(self, method: str) -> None:
        """Restore arrays that have changed, which other calls are given too.

        Raises
        ------
        ProtocolError
            One has changed; the message names the method.
        """
        pairs = [pair for pair in self.arrays if pair[0].tobytes() != pair[1].tobytes()]
        for array, before in pairs:
            array[...] = before
        if pairs:
            raise ProtocolError(f"{method} changed {len(pairs)} of the arrays that it was given")


def _arrays(argument: Any) -> Iterator[np.ndarray]:
    """The arrays of containers, values and networks that can be written."""
    if isinstance(argument, Value):
        yield from _arrays(argument.array)
    elif isinstance(argument, np.ndarray):
        if argument.flags.writeable and argument.dtype != object:
            yield argument
    elif isinstance(argument, dict):
        yield from _arrays(list(argument.values()))
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _arrays(item)
    elif isinstance(argument, Network):
        fields = [*vars(argument).values(), *(vars(layer) for layer in argument.layers)]
        yield from _arrays([field for field in fields if field is not argument.layers])
