"""Which models clients may name: those that enough workers have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from service.registry import Registry


def publish(registry: Registry, ready: Sequence[Set[str]]) -> None:
    """Let clients have what is wanted, once enough workers have it.

    All of them, where nothing is lost by waiting for the last. Else half of them, so that neither what goes nor what
    comes ever has fewer than half.

    Args:
        ready: identities of the models that each worker has which takes requests.
    """
    wanted = registry.wanted().keys()
    able = sum(models == wanted for models in ready)
    enough = len(ready) / 2 if registry.loses(wanted) else len(ready)
    if able and able >= enough:
        registry.publish(wanted)
    else:
        _publish_successors(registry, wanted, ready)
        _revive_predecessors(registry, ready)


def _publish_successors(registry: Registry, wanted: Set[str], ready: Sequence[Set[str]]) -> None:
    """Let clients have what takes the place of something else once half of the workers have it, whatever else they
    lack: a worker that has died comes back with what was wanted then, which may be wanted no longer as a whole.
    """
    published = registry.paths.keys()
    leaving = {_name(identity) for identity in published - wanted}
    counts = Counter(identity for models in ready for identity in models)
    enough = {each for each, count in counts.items() if 2 * count >= len(ready)}
    coming = {each for each in enough & wanted if _name(each) in leaving} - published
    fresh = coming | (wanted & published)
    if coming and {_name(identity) for identity in published if counts[identity]} <= set(map(_name, fresh)):
        registry.publish(fresh)


def _revive_predecessors(registry: Registry, ready: Sequence[Set[str]]) -> None:
    """If the only worker with a successor has died, let clients have what others still have in its place."""
    there = {identity for models in ready for identity in models}
    registry.revive(there, registry.paths.keys() - there)


def _name(identity: str) -> str:
    return identity.partition("@")[0]
