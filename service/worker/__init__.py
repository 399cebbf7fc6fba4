"""A worker process: one device, every model, one synchronous loop.

main.py       start: settings of the process, models, warm-up, `Ready`
loop.py       the loop over messages and models
engine.py     one model with its jobs and costs: carries out the scheduler's plans
requests.py   a request's samples, from receipt to result
measure.py    what an operation costs, without a request
warmup.py     the first measurements
spare_time.py how a worker starts beside one that serves
channel.py    the socket to the API process
report.py     numbers for the metrics
shutdown.py   signals
"""
