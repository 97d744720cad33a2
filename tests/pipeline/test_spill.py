"""What does not fit into memory lies in folders that go with their reader, however it ends."""

from __future__ import annotations

import subprocess
import sys

from pipeline.spill import spill_folder, sweep_spill

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.spill import spill_folder
with spill_folder(Path(sys.argv[1])) as folder:
    (folder / "rows.tmp").write_text("somebody")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_has_a_folder_of_its_own_which_goes_with_it(tmp_path):
    with spill_folder(tmp_path) as one, spill_folder(tmp_path) as other:
        (one / "rows.tmp").write_text("somebody")
        assert one != other
        assert sweep_spill(tmp_path) == 0
        assert (one / "rows.tmp").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_reader_left_is_swept_and_what_others_use_is_not(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "rows.tmp").exists()
    with spill_folder(tmp_path) as used:
        assert sweep_spill(tmp_path) == 1
        assert [path.name for path in tmp_path.iterdir()] == [used.name]


def test_where_nothing_was_spilt_nothing_is_swept(tmp_path):
    assert sweep_spill(tmp_path / "nowhere") == 0
