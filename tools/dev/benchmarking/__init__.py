"""Cases of the benchmark, and the ways to measure them."""
