"""`python -m service.worker`: started by the pool, not by people."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from service.worker.spare_time import in_spare_time

if "--aside" in sys.argv:
    in_spare_time(partial(import_module, "service.worker.main"))  # a large part of the work

from service.worker.main import main

sys.exit(main(sys.argv[1:]))
