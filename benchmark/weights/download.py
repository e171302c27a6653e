"""Downloads a file that can be gone on with after a broken connection or a kill; says why where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..progress import Task

if TYPE_CHECKING:
    import requests

ATTEMPTS = 3
CHUNK = 1 << 16
"""At most this much of what has arrived is lost when a connection breaks."""
MEGA = 1_000_000
CONNECT_S, SILENCE_S = 10, 60


class Unreachable(UserError):
    """A server cannot be reached or does not give what it should; another way to the same bytes may do."""


def session() -> requests.Session:
    """A session that trusts what pip is told to trust (PIP_CERT), else what requests trusts."""
    import os

    import requests

    made = requests.Session()
    if certificates := os.environ.get("PIP_CERT"):
        made.verify = certificates
    return made


def download(opened: requests.Session, url: str, part: Path, *, what: str, most: int | None, task: Task) -> None:
    """Bring all of `url` into the file `part`, going on from what it holds already.

    most: refuse to take more bytes than these. Raises Unreachable (never naming the address, which may hold a password).
    """
    import requests

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _once(opened, url, part, what=what, most=most, task=task)
        except requests.RequestException as error:
            answered = isinstance(error, requests.HTTPError)
            if answered or attempt == ATTEMPTS:
                kept = "; what has arrived is kept, the same command goes on from there" if part.exists() else ""
                raise Unreachable(f"{what} cannot be downloaded: {reason(error)}{kept}") from error
    raise AssertionError("the last attempt returns or raises")


def _once(opened: requests.Session, url: str, part: Path, *, what: str, most: int | None, task: Task) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with opened.get(url, stream=True, headers=headers, timeout=(CONNECT_S, SILENCE_S)) as answer:
        if answer.status_code == 416:  # nothing after what is there: either all of it or another file's
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if goes_on else 0
        total = done + int(answer.headers.get("Content-Length", 0))
        shown = -1
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if most is not None and done > most:
                    part.unlink()
                    raise UserError(f"{what}: the server sends more than the {most} bytes that it should have; it was not kept")
                if done // MEGA > shown:
                    shown = done // MEGA
                    task(shown, max(total, done) // MEGA, f"MB of {what}")


def reason(error: Exception) -> str:
    """Why a request failed, in words for people, without addresses."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted (PIP_CERT names the file of those that are)"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "there is no connection to the server, or it broke"
    return type(error).__name__
