"""Where the traces of a learner are those of its steps so far: not while it makes a sequence."""

from __future__ import annotations

from ..errors import StructureError
from ..parameters import is_intercepted

__all__ = ["check_between_steps"]


def check_between_steps() -> None:
    """Refuse to read or write traces while a sequence is made: they are still those before it.

    Raises
    ------
    StructureError
    """
    if is_intercepted():
        raise StructureError(
            "traces or their count are read or written within a step of a sequence (by etraces, "
            "count, get_etrace_of, reset_traces, zero_trace, reset_state or compile_graph), where "
            "they are those before the sequence until it has ended: do it between calls of "
            "etrace_grad, or make single steps, learner(x), one call of brainstate.transform.grad "
            "each"
        )
