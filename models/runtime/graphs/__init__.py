"""The executor for CUDA devices: a step is one graph of kernels, launched by one call.

Modules:
    launcher: how work is prepared and launched, as CUDA graphs, or as it is on any device.
    records: what the device keeps of each slot: position, tokens, how its codes are drawn.
    batch: what the host tells the device of a batch.
    prior: the Transformer's step over static memory.
    decoder: decoders that ask the device nothing.
    ranges: whether half precision can hold what a network computes.
    executor: slots, batch sizes and their graphs.
    check: that they compute what the networks do, before they are used.
"""
