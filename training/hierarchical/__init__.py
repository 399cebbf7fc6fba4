"""Training hierarchical models level by level (algorithm 1 of the paper), and measuring them."""
