"""`python -m conformance`, which is installed as `brainscale-judge`."""

from __future__ import annotations

import sys

from conformance import cli


def main() -> int:
    """Do what the command line says, and return the exit status."""
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
