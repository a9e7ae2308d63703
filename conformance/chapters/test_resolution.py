"""What an implementation may state of numbers coarser than 32 bits: NUM-9."""

from __future__ import annotations

import pytest

from conformance.tolerances import RESOLUTIONS


@pytest.mark.clauses("NUM-9")
def test_resolution(implementation):
    resolution = getattr(implementation, "resolution", None)
    assert resolution is None or resolution in RESOLUTIONS, (
        f"the resolution is {resolution!r}, must be a power of two from 2^-20 to 2^-12, or None"
    )
