"""One reader a file; each turns its files into clips. `open_dataset` finds the reader for a path."""
