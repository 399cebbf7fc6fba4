"""Which models there are: what lies in the folder of bundles, what is to be loaded, and what clients may name.

versions.py   which of two versions is newer
catalogue.py  the models that answer now, and every way to name one
folder.py     one look at the folder
registry.py   what is wanted, what is published, and what became of each bundle
watcher.py    looks again and again

The folder is the only control there is: what is served is what lies in it, after a restart too, and nobody can change
that through the network.
"""

from __future__ import annotations

from service.registry.catalogue import Catalogue
from service.registry.registry import BundleState, Registry

__all__ = ["BundleState", "Catalogue", "Registry"]
