"""Which replica gets a call: one that is named, one that is not to be avoided, else the shorter queue of two."""

from __future__ import annotations

import random
import time
from math import inf
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

_QUIET_S = 0.25
_AGAIN_S = 5.0


class NamedReplicas(RequestRouter):
    """Serve's own choice of two, among those that the caller would have (`ServeCarrier`).

    Whom it has not heard of for ten seconds it would ask how busy they are, and wait for the answer, a tenth of a
    second and more: that is what some deadlines are. Who is not known to be busy counts as idle here; with its first
    answer every replica says how much it has. So that nobody seems idle for being dead, one that cannot be reached, or
    has not said for a quarter of a second that it has what it was sent, is passed over while there are others, until it
    is heard. One call is risked on it every five seconds.
    """

    def initialize_state(self, **_: object) -> None:
        """See `RequestRouter`."""
        self._unheard: dict[ReplicaID, float] = {}  # since when
        self._passed_over: dict[ReplicaID, float] = {}  # until when

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """See `RequestRouter`."""
        super().on_send_request(replica_id)
        now = time.monotonic()
        since = self._unheard.setdefault(replica_id, now)
        if now >= self._passed_over.get(replica_id, since + _QUIET_S):
            self._passed_over[replica_id] = now + _AGAIN_S

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None:
        """See `RequestRouter`."""
        super().on_new_queue_len_info(replica_id, num_ongoing_requests)
        self._unheard.pop(replica_id, None)
        self._passed_over.pop(replica_id, None)

    def on_replica_actor_unavailable(self, replica_id: ReplicaID) -> None:
        """See `RequestRouter`."""
        super().on_replica_actor_unavailable(replica_id)
        now = time.monotonic()
        self._unheard[replica_id] = now - _QUIET_S
        self._passed_over[replica_id] = now + _AGAIN_S

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """See `RequestRouter`. Nobody, if the replica that is named is gone: then the call waits, and is given up."""
        wishes: dict[str, Any] = {}
        if pending_request is not None:
            wishes = pending_request.kwargs
            # Else Serve asks again at once, and does nothing else.
            pending_request.routing_context.should_backoff = True
        candidates = list(candidate_replicas)
        for each in candidates:
            if self.replica_queue_len_cache.get(each.replica_id) is None:
                self.replica_queue_len_cache.update(each.replica_id, 0)
        if to := wishes.get("to"):
            return [[each for each in candidates if each.replica_id.unique_id == to]]
        avoid = wishes.get("avoid", ())
        others = [each for each in candidates if each.replica_id.unique_id not in avoid] or candidates
        heard = [each for each in others if not self._doubted(each.replica_id)] or others
        return [random.sample(heard, min(len(heard), 2))]

    def _doubted(self, replica_id: ReplicaID) -> bool:
        """Whether a replica should have been heard, and was not."""
        now = time.monotonic()
        since = self._unheard.get(replica_id, inf)
        return since + _QUIET_S <= now < self._passed_over.get(replica_id, since + _AGAIN_S)
