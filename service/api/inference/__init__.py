"""The Open Inference Protocol, version 2 (KServe, Triton), for clients that speak it.

server.py      what the server is, and whether it is ready
models.py      what each model takes and gives
infer.py       the route that infers
batch.py       from tensors to requests for samples
schemas.py     what is asked and answered
tensors.py     tensors as JSON and as binary data
results.py     from samples to tensors
errors.py      the shape of an error
documents.py   what the OpenAPI document says
"""
