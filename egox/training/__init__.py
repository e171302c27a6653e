"""Training: examples on disk, tasks, the loop, and what it leaves behind."""
