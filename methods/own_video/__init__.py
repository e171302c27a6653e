"""`egox-bench generate --video`: any method on a video of one's own. Apart from the methods, whose keys it is none of."""
