"""A container's health check: `python -m shared.cli.probe URL` ends well when the URL answers 200. Stdlib only, since
it runs every few seconds."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request


def main() -> int:
    """0 when the address answers 200, 1 when not."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(sys.argv[1], timeout=3) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
