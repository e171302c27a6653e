"""The page: results as a folder of static files that opens without a server and asks nothing of the network.

`facts` gathers what pages say of rows, `plots` draws, `media` encodes videos, `pages` fills the templates, `building` puts all
of it into one folder. The same runs give the same bytes.
"""

VIDEOS = 48
"""Clips of a table that get videos: at full size all 400 of a split would weigh gigabytes."""
