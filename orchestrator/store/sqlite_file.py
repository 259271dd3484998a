"""Whether the file of a store can be used where it is said to be."""

import os
from pathlib import Path

from orchestrator.config.anchoring import SQLITE


def unusable_store(store: str) -> list[str]:
    """Why the file of a store cannot be used; its folder is not made, for it may be misspelt."""
    if not store.startswith(SQLITE):
        return []
    file = Path(store.removeprefix(SQLITE))
    if file.is_dir():
        why = "it is a folder"
    elif not file.parent.is_dir():
        why = f"there is no folder {file.parent}; make it first"
    elif not os.access(file.parent, os.W_OK | os.X_OK):
        why = f"the folder {file.parent} cannot be written, where SQLite keeps files of its own"
    elif file.exists() and not os.access(file, os.W_OK):
        why = "the file is read-only"
    else:
        return []
    return [f"store: {file} cannot be used: {why}."]
