"""The API process's side of the workers: starts them, hands them requests, and sees to it that each gets one ending.

any_pool.py    what an app needs of a pool, be its workers here or elsewhere
pool.py        submit, route, hand over after a crash, drain
ticket.py      a request as its caller sees it
crew.py        all workers: starts them, and replaces them when they should have other models
placement.py   which worker has which request
publication.py which models clients may name
supervisor.py  one place for a worker: starts it, and starts it again
launcher.py    how a worker process is started
process.py     one worker process
child.py       any process that is started from here: its socket, its last words, its end
line.py        the socket to it
reserve.py     what the way to and from a worker costs
outlook.py     the smallest deadline that would do, and when a worker is ready
watchdog.py    notices a worker that hangs
vitals.py      whether a silent process works
probation.py   who was with a worker that died is tried again apart from others
"""

from __future__ import annotations

from service.pool.any_pool import AnyPool
from service.pool.child import WorkerStartError
from service.pool.pool import Pool, PoolObserver
from service.pool.ticket import Generation, Ticket

__all__ = ["AnyPool", "Generation", "Pool", "PoolObserver", "Ticket", "WorkerStartError"]
