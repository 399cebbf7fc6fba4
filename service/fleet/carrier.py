"""What a front needs of whatever connects it to replicas."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol


class ReplicaLost(Exception):
    """What was to be carried has not arrived, or the answer never will: the replica is gone."""


class Carrier(Protocol):
    """Carries calls to replicas, and chooses one where none is named. A call that is closed is taken back."""

    def run(self, call: bytes, avoid: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """What `Replica.run` of some replica says, of one that is not to be avoided if there is another.

        Raises:
            ReplicaLost: there will be no answer.
        """

    def pulse(self, replica: str) -> AsyncGenerator[bytes, None]:
        """What `Replica.pulse` of this replica says. Raises ReplicaLost."""

    async def tell(self, told: bytes, replica: str) -> None:
        """Pass on to `Replica.tell` of this replica. Raises ReplicaLost."""

    async def look(self) -> bytes:
        """What `Replica.look` of some replica says. Raises ReplicaLost."""
