"""What was computed is kept just as long as what it was made from."""

from __future__ import annotations

import pytest

import course
from classroom.site.cache import Cache, digest


@pytest.fixture
def root(tmp_path):
    for folder in ("course", "classroom/display", "classroom/exercises", "lessons/tiny"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("1\n")
    return tmp_path


@pytest.mark.parametrize("path", ["course/a.py", "lessons/tiny/a.py", "classroom/display/b.py"])
def test_another_file_is_another_digest(root, path):
    before = digest(root, ["lessons/tiny"], "text")
    (root / path).write_text("2\n")
    assert digest(root, ["lessons/tiny"], "text") != before


def test_another_text_or_version_is_another_digest(root, monkeypatch):
    before = digest(root, [], "text")
    assert digest(root, [], "words") != before
    monkeypatch.setattr(course, "__version__", "9.9")
    assert digest(root, [], "text") != before


def test_what_python_leaves_behind_changes_nothing(root):
    before = digest(root, [], "text")
    (root / "course" / "__pycache__").mkdir()
    (root / "course" / "__pycache__" / "a.pyc").write_bytes(b"3")
    assert digest(root, [], "text") == before


def test_what_was_made_once_is_not_made_again(tmp_path):
    cache, made = Cache(tmp_path), []
    for _ in range(2):
        assert cache.get("run", "0" * 16, lambda: made.append(1) or {"a": 1}) == {"a": 1}
    assert made == [1]


def test_only_the_newest_of_a_name_stays_and_a_spoilt_one_is_made_again(tmp_path):
    cache = Cache(tmp_path)
    cache.get("run", "0" * 16, lambda: 1)
    cache.get("run", "1" * 16, lambda: 2)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    assert cache.get("run", "1" * 16, lambda: 3) == 3


def test_a_folder_that_is_not_there_is_named(root):
    with pytest.raises(FileNotFoundError, match="lessons/other is missing"):
        digest(root, ["lessons/other"])
