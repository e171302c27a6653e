"""The command line: one verb a file, each with a `command` function whose annotations are its flags.

Verb modules import nothing heavy at the top (no numpy, no video or image library): `--help` must answer at once.
"""
