"""How much is asked where all of it would say much the same: every third, or all.

The environment's BRAINSCALE_REJECTIONS is "all" for all.
"""

from __future__ import annotations

import os
import zlib

EVERY = 1 if os.environ.get("BRAINSCALE_REJECTIONS") == "all" else 3


def is_asked(name: str, number: int = 0) -> bool:
    """Whether a thing of this number is asked of what has this name: another third for each."""
    return (zlib.crc32(name.encode()) + number) % EVERY == 0
