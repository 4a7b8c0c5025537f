"""What an ERF is and how it is measured: torch, NumPy, SciPy only."""
