"""What was promised, by when, and how much of the workers' time it will take."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate


class Backlog:
    """The smallest answers that are owed, in deadline order: the order in which the workers would give them.

    A promise can be kept if, done in that order, it is in time. So a new one may be made if there is time for it after
    those that are due before, and if none of those that are due later would be late for it.

    Attributes:
        total: seconds of all of them.
    """

    def __init__(self) -> None:
        self._deadlines: list[float] = []
        self._work: list[float] = []
        self.total = 0.0

    def add(self, deadline: float, work: float) -> None:
        """Promise `work` seconds of the workers' time by `deadline`."""
        place = bisect_right(self._deadlines, deadline)
        self._deadlines.insert(place, deadline)
        self._work.insert(place, work)
        self.total += work

    def remove(self, deadline: float, work: float) -> None:
        """A promise was kept, or broken. It must have been made with the same numbers."""
        place = self._work.index(work, bisect_left(self._deadlines, deadline), bisect_right(self._deadlines, deadline))
        del self._deadlines[place], self._work[place]
        self.total = self.total - work if self._work else 0.0

    def before(self, deadline: float) -> float:
        """Seconds of work that are due no later."""
        return sum(self._work[: bisect_right(self._deadlines, deadline)])

    def crowd(self, deadline: float, each: float) -> int:
        """How many are due just before this, so close together that there are not `each` seconds for every one."""
        place = count = bisect_right(self._deadlines, deadline)
        while count and self._deadlines[count - 1] > deadline - (place - count + 1) * each:
            count -= 1
        return place - count

    def soonest(self, start: float, deadline: float, work: float) -> float:
        """The earliest deadline, this or a later one, with which `work` more seconds make no promise late.

        Args:
            start: when the workers could begin, less what an answer takes beyond its share of their time.
        """
        place = bisect_right(self._deadlines, deadline)
        later = self._deadlines[place:]
        if not later or start + self.total + work <= later[0]:
            return deadline
        ends = accumulate(self._work[place:], initial=start + sum(self._work[:place]))
        next(ends)
        # Who is late already is not made late.
        pressed = [due for due, end in zip(later, ends, strict=True) if end <= due < end + work]
        return pressed[-1] if pressed else deadline
