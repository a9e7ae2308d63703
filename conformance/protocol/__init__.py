"""All that crosses an adapter: the object that tests get, its methods, and their results."""

from conformance.protocol.judged import Judged, SuiteError
from conformance.protocol.results import (
    ProtocolError,
    check_learned,
    check_result,
    check_traced,
    check_trials,
)

__all__ = [
    "Judged",
    "ProtocolError",
    "SuiteError",
    "check_learned",
    "check_result",
    "check_traced",
    "check_trials",
]
