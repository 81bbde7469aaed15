from vitbench import environment
from vitbench.times import process_times


def test_the_record_of_this_machine_is_complete():
    found = environment.collect()
    assert found["device"] and found["python_version"].startswith("3.")
    assert found["memory_bytes"] > 2**30 and found["cpu"]["logical_cores"] >= 1
    assert found["packages"]["keras"] == "3.15.1"
    times = process_times()
    assert times["started_at"] < times["finished_at"] and times["total_seconds"] > 0
    assert environment.peak_host_memory_bytes() > 2**20
