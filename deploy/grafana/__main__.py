"""Writes the dashboard for Grafana: `python -m deploy.grafana [--docs URL]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from deploy.grafana.dashboard import dashboard

FILE = Path(__file__).parent / "dashboards" / "anytime.json"


def text(docs: str = "") -> str:
    """The dashboard as it is kept in a file."""
    return json.dumps(dashboard(docs), indent=1) + "\n"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description=__doc__)
    parser.add_argument(
        "--docs",
        default="",
        metavar="URL",
        help="where this repository's files are to be read, with a slash at the end; runbooks are linked to there",
    )
    FILE.write_text(text(parser.parse_args().docs))


if __name__ == "__main__":
    main()
