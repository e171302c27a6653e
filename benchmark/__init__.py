"""The benchmark: clips and splits, metrics and protocols, the runner and its store. Imports egox.cameras only."""
