"""One worker process and its socket, from its first message to its exit."""

from __future__ import annotations

from service.messages import FromWorker, Ready
from service.pool.child import Child, Launched, WorkerStartError


class WorkerProcess(Child[FromWorker]):
    """A worker.

    Args:
        index: number of the worker.
        launched: just now.
        aside: whether it loads and measures in what time others leave to it.
    """

    def __init__(self, index: int, launched: Launched[FromWorker], *, aside: bool = False) -> None:
        super().__init__(f"worker {index}", launched)
        self.aside = aside

    async def ready(self, patience: float) -> Ready:
        """Wait until it takes requests.

        Raises:
            WorkerStartError: it says that it cannot start, or exits.
            WorkerNotReady: it takes longer than `patience` seconds.
        """
        first = await self.first(patience)
        if not isinstance(first, Ready):
            raise WorkerStartError(f"{self.name} began with {type(first).__name__} instead of Ready")
        return first
