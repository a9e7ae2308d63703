"""What crosses an adapter: how tests are handed one, and what its methods must return."""

from conformance.protocol.judged import Judged, SuiteError
from conformance.protocol.results import ProtocolError, check_learned, check_result, check_traced

__all__ = [
    "Judged",
    "ProtocolError",
    "SuiteError",
    "check_learned",
    "check_result",
    "check_traced",
]
