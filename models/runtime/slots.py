"""Which slots are taken, and how far each has come."""

from __future__ import annotations

from collections.abc import Sequence


class SlotTable:
    """A fixed number of slots, each free or at a position 0..K."""

    def __init__(self, slots: int, codes: int) -> None:
        self._codes = codes
        self._positions: list[int | None] = [None] * slots

    def __len__(self) -> int:
        return len(self._positions)

    def occupy(self, slot: int, position: int = 0) -> None:
        """Take a free slot. Raises ValueError if it is taken or does not exist."""
        if not 0 <= slot < len(self._positions):
            raise ValueError(f"there is no slot {slot} among {len(self._positions)}")
        if self._positions[slot] is not None:
            raise ValueError(f"slot {slot} is taken")
        self._positions[slot] = position

    def position(self, slot: int) -> int:
        """How far a taken slot has come. Raises ValueError if it is free or does not exist."""
        position = self._positions[slot] if 0 <= slot < len(self._positions) else None
        if position is None:
            raise ValueError(f"slot {slot} is free")
        return position

    def check_can_step(self, slots: Sequence[int], codes: int = 1) -> None:
        """Raises ValueError unless the slots are distinct and taken, at least one, and each has room for the codes."""
        if not slots or len(set(slots)) != len(slots):
            raise ValueError(f"a step needs distinct slots, got {list(slots)}")
        if codes < 1:
            raise ValueError(f"a step draws at least one code, got {codes}")
        for slot in slots:
            if self.position(slot) + codes > self._codes:
                raise ValueError(f"slot {slot} holds {self.position(slot)} of {self._codes} codes, no room for {codes}")

    def advance(self, slots: Sequence[int], codes: int = 1) -> None:
        """Move each slot so many positions on; call `check_can_step` first."""
        for slot in slots:
            self._positions[slot] = self.position(slot) + codes

    def is_taken(self, slot: int) -> bool:
        """Whether a slot, which exists, is taken."""
        return self._positions[slot] is not None

    def release(self, slot: int) -> None:
        """Free a taken slot. Raises ValueError if it is free."""
        self.position(slot)
        self._positions[slot] = None

    def taken(self) -> list[int]:
        """The taken slots, ascending."""
        return [slot for slot, position in enumerate(self._positions) if position is not None]
