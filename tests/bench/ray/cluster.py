"""A Ray cluster of several nodes on this machine with the application on it, obeying what comes by its standard input.

    python -m bench.ray.cluster '{"engines_per_node": [1, 1], "port": 8123, "settings": {"executor": "null"}}'

prints a line of JSON when it is ready, and one for each command that it has carried out: `kill-replica` (an engine on
the last node), `kill-node` (the last node), `engines N` (how many there should be), `scale N` (one, and up to so many
if quality is shed), `count` (how many run), `settle` (until all run that should, one on the last node), `stop`.
The first node is the head, with the proxy and the front. It is a process of its own, so that what Ray does to a process
is not done to tests.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
from typing import Any

import psutil

ENVIRONMENT = {
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deploy.ray.proxy:middlewares",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # or 15: everything else on the machine would come first
    "RAY_enable_worker_prestart": "0",  # each takes seconds of a small machine's time
    "RAY_prestart_worker_first_driver": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",  # on a small machine everything starts at the same time
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}
_QUIET = {"enable_access_log": False, "log_level": "WARNING"}
_REPLICA = "ray::ServeReplica:default:Engine"
_SOON = {"upscale_delay_s": 2.0, "downscale_delay_s": 6.0}  # rather than minutes
_SETTLED_S = 120.0


class LocalCluster:
    """The nodes, and what runs on them.

    Args:
        engines_per_node: for how many each node has room; the first is the head.
        port: of the proxy.
        options: of the application.
    """

    def __init__(self, engines_per_node: list[int], port: int, options: dict[str, Any]) -> None:
        import ray
        from ray import serve
        from ray.cluster_utils import Cluster

        needs = {"cpus_per_engine": 0, "cpus_per_front": 0}
        places = {"engine_resources": {"engine": 1}, "front_resources": {"front": 1}}
        self._options = {"engines": 1, **needs, **places, **options}
        head = {"num_cpus": 1, "resources": {"front": 8, "engine": engines_per_node[0]}, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = [self._cluster.add_node(num_cpus=1, resources={"engine": room}) for room in engines_per_node[1:]]
        ray.init(address=self._cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        serve.start(http_options={"port": port, "location": "HeadOnly"}, logging_config=_QUIET)
        self.run()

    def run(self, **changes: Any) -> None:
        """Have the application as it was, but for these options; returns when it is there."""
        from ray import serve

        from deploy.ray.application import application

        self._options |= changes
        serve.run(application(self._options), logging_config=_QUIET)

    def count(self) -> int:
        """How many engines run."""
        from ray import serve
        from ray.serve._private.common import ReplicaState

        states = serve.status().applications["default"].deployments["Engine"].replica_states
        return states.get(ReplicaState.RUNNING, 0)

    def settle(self) -> None:
        """Returns when all engines run, one of them on the last node."""
        until = time.monotonic() + _SETTLED_S
        while self.count() < self._options["engines"] or not any(_is_engine(each) for each in self._processes()):
            if time.monotonic() > until:
                raise TimeoutError(f"only {self.count()} engines run")
            time.sleep(0.2)

    def kill_replica(self) -> dict[str, Any]:
        """Kill an engine of the last node, without its knowing."""
        victims = [each for each in self._processes() if _is_engine(each)]
        victims[0].kill()
        return {"killed": victims[0].pid}

    def kill_node(self) -> dict[str, Any]:
        """Kill every process of the last node at once."""
        processes = self._processes()
        for process in processes:
            _signal(process, signal.SIGSTOP)  # so that none sees another die and ends in good order
        for process in processes:
            _signal(process, signal.SIGKILL)
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)
        return {"killed": len(processes)}

    def stop(self) -> None:
        """Kill everything."""
        import ray

        ray.shutdown()
        self._cluster.shutdown()  # type: ignore[no-untyped-call]

    def _processes(self) -> list[psutil.Process]:
        """Of the last node."""
        roots = [psutil.Process(info.process.pid) for kind in self._nodes[-1].all_processes.values() for info in kind]
        return roots + [child for root in roots for child in root.children(recursive=True)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith(_REPLICA)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def main() -> None:
    options = json.loads(sys.argv[1])
    os.environ.update(ENVIRONMENT)
    began = time.monotonic()
    cluster = LocalCluster(options.pop("engines_per_node"), options.pop("port"), options)
    _say({"ready": True, "seconds": round(time.monotonic() - began, 1)})
    try:
        for line in sys.stdin:
            match line.split():
                case ["kill-replica"]:
                    _say(cluster.kill_replica())
                case ["kill-node"]:
                    _say(cluster.kill_node())
                case ["engines", number]:
                    cluster.run(engines=int(number), most_engines=None)
                    _say({"engines": int(number)})
                case ["scale", number]:
                    cluster.run(engines=1, most_engines=int(number), **_SOON)
                    _say({"most_engines": int(number)})
                case ["count"]:
                    _say({"engines": cluster.count()})
                case ["settle"]:
                    cluster.settle()
                    _say({"engines": cluster.count()})
                case _:
                    break
    finally:
        cluster.stop()


def _say(what: dict[str, Any]) -> None:
    print("@" + json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
