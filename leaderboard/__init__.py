"""The leaderboard: results.json files in, tables and CSV out. Runs no model and measures nothing."""
