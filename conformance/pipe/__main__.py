"""Check what a program answers: ``python -m conformance.pipe --check-protocol COMMAND``."""

from __future__ import annotations

import argparse
import sys

from conformance.pipe.adapter import LIMIT, StartError
from conformance.pipe.checking import check_protocol


def main(arguments: list[str] | None = None) -> int:
    """Say of each call whether its answer is of the protocol; 0 if all are, or else 2."""
    parser = argparse.ArgumentParser(prog="python -m conformance.pipe", description=__doc__)
    parser.add_argument("--check-protocol", required=True, metavar="COMMAND")
    parser.add_argument("--float", type=int, choices=(32, 64), default=64)
    parser.add_argument("--call-limit", type=float, default=LIMIT, metavar="SECONDS")
    namespace = parser.parse_args(arguments)
    is_right = True
    try:
        for call, fault in check_protocol(
            namespace.check_protocol, namespace.float, namespace.call_limit
        ):
            print(f"{call}: {fault or 'ok'}", flush=True)
            is_right = is_right and not fault
    except StartError as error:
        print(f"start: {error}")
        is_right = False
    return 0 if is_right else 2


if __name__ == "__main__":
    sys.exit(main())
