"""How a table is drawn: for a terminal, for papers, for web pages, for programs. One format a file; the same bytes each time."""
