"""The leaderboard: results in, tables, figures and the page out. Measures nothing itself."""
