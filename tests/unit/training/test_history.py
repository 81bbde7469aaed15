import pytest

from vitbench.training.history import RunHistory

STARTUP = {"import_seconds": 2.0, "device_seconds": 0.5, "first_step_seconds": 5.0}


def epoch(number: int, seconds: float, resumed: bool = False) -> dict:
    return {"epoch": number, "train_seconds": seconds, "resumed": resumed}


def session(first_epoch: int, device: str = "A100", **changes) -> dict:
    values = {
        "first_epoch": first_epoch,
        "device": device,
        "total_seconds": 100.0,
        "started_at": "2026-01-01",
        "peak_host_memory_bytes": 10,
        "peak_device_memory_bytes": None,
    }
    return values | STARTUP | changes


def summary_columns(epoch_rows: list[dict], *sessions: dict) -> dict:
    return RunHistory(epoch_rows, 1, 0.5, list(sessions)).summary_columns(images=60)


def test_speeds_leave_out_the_first_epoch_of_each_process():
    epoch_rows = [epoch(1, 50), epoch(2, 10), epoch(3, 40, resumed=True), epoch(4, 12)]
    columns = summary_columns(epoch_rows, session(1), session(3, import_seconds=9.0, peak_host_memory_bytes=30))
    assert columns["epoch_seconds_median"] == 11 and columns["train_images_per_second"] == pytest.approx((6 + 5) / 2)
    assert columns["total_seconds"] == 200 and columns["resumptions"] == 1
    assert (
        columns["import_seconds"] == 2 and columns["device_seconds"] == 0.5 and columns["peak_host_memory_bytes"] == 30
    )
    assert columns["peak_device_memory_bytes"] is None


def test_speeds_leave_out_epochs_on_another_device_than_the_last_one():
    epoch_rows = [epoch(1, 50), epoch(2, 10), epoch(3, 40, resumed=True), epoch(4, 2), epoch(5, 7, resumed=True)]
    columns = summary_columns(epoch_rows, session(1), session(3, "H100"), session(5, "H100"))
    assert columns["epoch_seconds_median"] == 2


def test_a_process_with_no_epoch_left_counts_only_in_the_total_time():
    columns = summary_columns([epoch(1, 50), epoch(2, 10)], session(1), session(3, "H100"))
    assert columns["epoch_seconds_median"] == 10 and columns["total_seconds"] == 200


def test_without_another_epoch_the_first_one_of_a_process_counts():
    assert summary_columns([epoch(1, 50)], session(1))["epoch_seconds_median"] == 50
    epoch_rows = [epoch(1, 50), epoch(2, 30, resumed=True)]
    assert summary_columns(epoch_rows, session(1), session(2))["epoch_seconds_median"] == 40


def test_each_process_adds_a_session():
    saved = RunHistory.begin(None, STARTUP).snapshot()
    assert [s["first_epoch"] for s in saved["sessions"]] == [1] and saved["sessions"][0]["total_seconds"] > 0
    resumed = RunHistory.begin(saved | {"epoch_rows": [epoch(1, 50)]}, STARTUP | {"import_seconds": 3.0})
    assert [s["first_epoch"] for s in resumed.sessions] == [1, 2]
    assert resumed.sessions[1]["import_seconds"] == 3.0 and resumed.sessions[1]["device"]
