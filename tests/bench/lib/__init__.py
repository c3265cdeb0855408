"""Parts of the benchmark `tests/bench/run`; nothing here is imported by anything else."""
