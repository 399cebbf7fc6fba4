"""What the workers do, and how quickly."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import INSTANCE, MODEL, mean, quantile, rate, whole

ROW = Row(
    "The device",
    (
        Panel(
            "Requests in progress",
            "pending: received and not ended. Of these, running hold slots in a worker, waiting wait for one there; "
            "the rest is in the API process. A worker that is frozen keeps its last numbers.",
            "none",
            [
                Query(f"sum (anytime_requests_pending{{{INSTANCE}}})", "pending"),
                Query(f"anytime_requests_running{{{INSTANCE}}}", "running, {{instance}} worker {{worker}}"),
                Query(f"anytime_requests_waiting{{{INSTANCE}}}", "waiting, {{instance}} worker {{worker}}"),
            ],
            decimals=0,
            runbook="a-worker-is-frozen",
        ),
        Panel(
            "Batch size",
            "Slots that advanced together in a step. It grows with load, up to the number of slots.",
            "none",
            [
                Query(mean("anytime_batch_size", "model"), "{{model}}, mean"),
                Query(whole(quantile(0.9, "anytime_batch_size")), "nine in ten have at most"),
            ],
            decimals=1,
            runbook="overload",
        ),
        Panel(
            "Time per step, by batch size",
            "Mean, by batch size rounded up to a power of two. More load does not change these lines, only which of "
            "them there are; if they rise, the device has become slower.",
            "s",
            [Query(mean("anytime_step_seconds", "model, batch"), "{{model}}, up to {{batch}}")],
            runbook="a-slow-device",
        ),
        Panel(
            "Codes drawn",
            "What the device does per second. Under overload it is at its highest and stays there.",
            "none",
            [Query(rate("anytime_batch_size_sum", by="model"), "{{model}}, per second")],
            decimals=0,
            runbook="overload",
        ),
        Panel(
            "Decode and encode",
            "Mean per answered request, in the batch in which it was decoded.",
            "s",
            [
                Query(
                    rate("anytime_phase_seconds_total", f'{MODEL}, phase=~"decode|encode"', "model, phase")
                    + f" / on (model) group_left () {rate('anytime_request_seconds_count', by='model')}",
                    "{{model}}, {{phase}}",
                )
            ],
            runbook="a-slow-device",
        ),
        Panel(
            "Reserve, and smallest deadline",
            "reserve: kept back before each deadline to decode, encode and send, as the worker has learnt. smallest: "
            "what one code takes with all that. Both rise when the device slows down or stalls.",
            "s",
            [
                Query(f"max by (model) (anytime_decode_reserve_seconds{{{MODEL}}})", "{{model}}, reserve"),
                Query(f"max by (model) (anytime_minimum_deadline_seconds{{{MODEL}}})", "{{model}}, smallest"),
            ],
            runbook="anytimedeadlinesinfeasible",
        ),
        Panel(
            "Largest batch",
            "What one step and one decode may have. It falls when there was too little memory for more, and stays "
            "there until the worker is started again.",
            "none",
            [Query(f"min by (model, operation) (anytime_largest_batch{{{MODEL}}})", "{{model}}, {{operation}}")],
            decimals=0,
            runbook="anytimememoryshort",
        ),
    ),
)
