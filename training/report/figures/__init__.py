"""The paper's figures, one small module each, and the table of all of them."""
