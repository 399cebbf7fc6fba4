"""HTTP and websockets: everything a client sees. Holds no model and imports no torch."""
