"""What npa claims, measured: ``python -m benchmarks`` for speed, one script a claim."""
