"""`python -m service.worker`: started by the pool, not by people."""

from __future__ import annotations

import sys

from service.worker.main import main

sys.exit(main(sys.argv[1:]))
