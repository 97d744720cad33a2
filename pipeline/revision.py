"""Which commit of this repository is running, where it is a clone with its history."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git_sha(root: Path = ROOT) -> str | None:
    """The 40 digits of the commit checked out below `root`; None in an image or an installed package.

    Read from git's own files: where this runs there may be no git.
    """
    folder = root / ".git"
    try:
        if folder.is_file():  # a worktree names its folder
            folder = root / folder.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        name, common = head.removeprefix("ref:").strip(), folder
        if (folder / "commondir").is_file():
            common = folder / (folder / "commondir").read_text(encoding="utf-8").strip()
        if (common / name).is_file():
            return (common / name).read_text(encoding="utf-8").strip()
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
