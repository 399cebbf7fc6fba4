"""The scheduler on a clock moved by hand: simulated loads, rival policies, and the bound that they are judged by."""
