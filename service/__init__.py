"""The anytime inference service: HTTP and websockets in front, one worker process per device behind."""
