"""Models of any kind side by side: how near to real pictures each comes in the same time."""
