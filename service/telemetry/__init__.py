"""What a request leaves for those who follow it across services: its W3C trace context, and spans for OpenTelemetry.

Spans are made of what was measured anyway, once a request has ended: nothing is started, kept or closed meanwhile.
`context` reads what callers send, `tracer` decides what is kept, `exporter` sends it from a thread of its own, and
`otlp` alone knows OpenTelemetry's packages, which are needed only where spans are exported.
"""
