"""How both LitServe servers are started."""

from __future__ import annotations

import argparse

from litserve import LitServer


def run(server: LitServer) -> None:
    """Serve on the port of the command line, with one process for HTTP beside the worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    # Below "critical", it writes a line for every request that it gives up, which would cost it time.
    server.run(host="127.0.0.1", port=port, num_api_servers=1, log_level="critical", generate_client_file=False)
