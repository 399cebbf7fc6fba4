"""The encoder: a process beside the workers that finds the codes of pictures and clips, one after another.

main.py      start: the process's settings, autoencoders, warm-up, `EncoderReady`; then one request after another
encoder.py   one request: from file to sample to codes
shelf.py     the models that it has, while others come and go
files.py     a file as a sample

It computes what the evaluation computes, so that codes are the same, on one thread and at a low priority: what
generates has deadlines, and is in other processes. It has no part in `service/encode`, which makes files of samples.
"""
