"""The prior and the decoder in C++, for CPUs; built while installing where there is a compiler."""
