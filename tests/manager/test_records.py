"""The files that tell a manager of the processes that an earlier one started."""

from pathlib import Path

import pytest

from manager.runtimes.records import Record, RecordFolder


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '"x"'])
def test_a_broken_record_of_a_process_counts_as_none_and_is_removed(tmp_path: Path, content: str) -> None:
    records = RecordFolder(tmp_path)
    records.write(Record("m", "good", "hash", 8000, 2**22 + 1, 0))
    (tmp_path / "c.json").write_text(content)
    (tmp_path / "c.exit").write_text("")
    assert records.status_of("c") is None
    assert [record.container for record in records.all()] == ["good"]
    assert not (tmp_path / "c.json").exists()
