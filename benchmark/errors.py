"""The exceptions that are meant for users; everything else is a bug and shows its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend: one sentence with file, clip or field and what to do. Exit code 2."""


class StorageError(UserError):
    """The disk is full, read-only or gone: no clip's fault, so it ends the run. What was committed is intact."""


class LoadError(UserError):
    """A method cannot be loaded or fitted: it ends this method's run, whatever the clip; other methods go on."""


class Undefined(Exception):
    """A result that does not exist for a stated reason (a pose or truth is missing): an outcome, not a failure."""


class Unavailable(Undefined):
    """This machine lacks something (a package that cannot be imported, weights): true of the machine and of no clip, so it is
    never kept as a result."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not there, with the nearest one that is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
