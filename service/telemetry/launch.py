"""The start of tracing, where it is wanted."""

from __future__ import annotations

from models.errors import SettingsError
from service.metrics import Metrics, package_version
from service.settings import Settings
from service.telemetry.exporter import RESULTS, BatchExporter
from service.telemetry.tracer import Tracer


def start_tracing(settings: Settings, metrics: Metrics) -> Tracer | None:
    """A tracer that exports to where the settings say; None if they say nothing.

    Raises:
        SettingsError: what it takes is not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from service.telemetry.otlp import sender
    except ImportError as error:
        raise SettingsError("to export spans takes more packages: pip install 'anytime[telemetry]'") from error
    for result in RESULTS:
        metrics.traced(result, 0)  # so that rates see the first
    exporter = BatchExporter(sender(settings.otlp_endpoint, package_version()), metrics.traced)
    exporter.start()
    return Tracer(exporter, settings.trace_ratio)
