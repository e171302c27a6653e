"""A results repository: other people's runs as files that can be checked, merged and compared; no server, no pixels."""
