"""Every branch of every chapter's full profile, at tiny sizes."""

import pathlib

from kanbook.chapters import all_chapters
from kanbook.runner import execute

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_chapter_runs_at_smoke_size(tmp_path: pathlib.Path) -> None:
    chapters = all_chapters(ROOT)
    done = execute(chapters, profile="smoke", workers=1, fresh=True, out=tmp_path)
    assert len(done) == len(chapters) > 0
    assert [one.message for one in done if one.status != "ok"] == []
