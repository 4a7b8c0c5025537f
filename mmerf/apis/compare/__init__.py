"""Results of several runs, read back, side by side and over time."""
