"""The leaderboard: results in, tables, figures and the page out. Measures nothing; `reproduce` has the benchmark run what is missing."""
