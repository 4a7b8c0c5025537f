"""What the benchmark runs: cases, and the ways to measure them."""
