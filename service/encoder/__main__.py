"""`python -m service.encoder`: started by the API process, not by people."""

from __future__ import annotations

import os
import sys

# Before anything is loaded, which takes longest. Where everything is busy it gets a tenth of what the workers and the
# API process get; it must get something, or a file would never be encoded.
os.nice(10)

from service.encoder.main import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
