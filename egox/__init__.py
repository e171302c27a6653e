"""The EgoX reference model as a library. Imports nothing from benchmark, methods or leaderboard."""
