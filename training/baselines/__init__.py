"""What the paper holds its model against, as experiments: trained and measured, never served."""
