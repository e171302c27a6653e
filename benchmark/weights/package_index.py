"""Where the user's package index has an archive. The index is the one that pip or uv is told to use."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from .download import Unreachable, reason
from .manifest import Package

if TYPE_CHECKING:
    import requests

SETTINGS = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def index_url() -> str | None:
    """The configured index: of the environment, then of pip's own settings; None where nobody configured one."""
    for name in SETTINGS:
        if value := os.environ.get(name):
            before, equals, after = value.partition("=")  # uv allows NAME=ADDRESS
            return after if equals and "://" not in before else value
    words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def archive_url(source: Package, opened: requests.Session) -> str:
    """The address of the archive. Raises Unreachable where the index cannot be reached or does not have it."""
    import requests
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

    what = f"{source.distribution} {source.version}"
    configured = index_url()
    index = PyPISimple(configured, session=opened) if configured else PyPISimple(session=opened)
    try:
        page = index.get_project_page(source.distribution, timeout=30)
    except NoSuchProjectError:
        raise Unreachable(f"the package index has no {source.distribution}; name another index, e.g. by {SETTINGS[0]}") from None
    except requests.RequestException as error:
        raise Unreachable(f"the package index cannot be asked for {what}: {reason(error)}") from error
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError) as error:
        raise Unreachable(f"what answers for {what} is no package index; see {', '.join(SETTINGS)}") from error
    for package in page.packages:
        if package.filename == source.archive:
            return package.url
    raise Unreachable(f"the package index has no file {source.archive} of {what}; name another index, e.g. by {SETTINGS[0]}")
