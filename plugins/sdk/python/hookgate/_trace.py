"""What an exception says to the record of a call.

Only the author's own lines: the frames of this package and of Python's library would fill the
few lines that are kept.
"""

from __future__ import annotations

import os
import traceback  # its walk only: all else of it opens files

_NOT_THE_AUTHORS = (os.path.dirname(__file__), os.path.dirname(traceback.__file__))
_MAX_CHARACTERS = 900


def headline(error: BaseException) -> str:
    """Type and message: `KeyError: 'id'`."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        text = "(its message could not be made)"
    return f"{name}: {text}"[:_MAX_CHARACTERS] if text else name


def of(error: BaseException) -> str:
    """The headline and where it came from: `KeyError: 'id', in handle (plugin.py, line 12)`."""
    # The library's own names carry the machine's paths; files are shown without folders.
    frames = [
        f"in {frame.f_code.co_name} ({os.path.basename(frame.f_code.co_filename)}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(_NOT_THE_AUTHORS)
    ]
    return ", ".join([headline(error), *reversed(frames[-3:])])
