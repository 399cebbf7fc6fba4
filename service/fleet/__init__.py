"""One service on many machines: fronts, which have the clients, and replicas, each with a pool of workers of its own.

fleet.py     a front's pool: sends each request to a replica, and to another when that one is lost
carrier.py   what it needs of whatever connects it to replicas
roll.py      which models it offers
attempt.py   one request with one replica
pulses.py    which replicas can be heard
replica.py   a pool behind calls
wording.py   how refusals are written between the two
transit.py   how much of a request's time is gone on its way
stamp.py     when a request came to the proxy before a front
behind.py    the app behind a server that is not ours
demand.py    what requests ask of replicas, and how many there should be

Who carries the calls is not known here: a front is given a `Carrier`, such as the one of Ray Serve in `deploy/ray`.
"""

from __future__ import annotations

from service.fleet.carrier import Carrier, ReplicaLost
from service.fleet.fleet import Fleet
from service.fleet.replica import Replica

__all__ = ["Carrier", "Fleet", "Replica", "ReplicaLost"]
