"""What the benchmark of many studies computes rather than measures."""

import runpy
from pathlib import Path

from pipeline.bulk.shard import Shard

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "bulk.py"


def test_the_largest_shard_decides():
    largest_shards = runpy.run_path(str(BENCHMARK))["largest_shards"]
    sources = [f"study {number}" for number in range(40)]
    sizes = [sum(Shard(number, 4).holds(source) for source in sources) for number in (1, 2, 3, 4)]
    assert list(largest_shards(sources, [1, 4])) == [40, max(sizes)]


def test_the_time_of_an_archive_is_that_of_its_largest_shard(monkeypatch, capsys):
    names = runpy.run_path(str(BENCHMARK))
    told = names["tell_machines"]
    monkeypatch.setitem(told.__globals__, "ARCHIVE", 600)
    told([1], 0.5, 60.0)  # 600 studies of half a second, and a minute lost
    assert "6.0" in capsys.readouterr().out
