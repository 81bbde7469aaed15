import pytest

from vitbench.training.history import RunHistory

COLD = {"import_seconds": 2.0, "first_step_seconds": 5.0}


def epoch(number: int, seconds: float, resumed: bool = False) -> dict:
    return {"epoch": number, "train_seconds": seconds, "resumed": resumed}


def session(first_epoch: int, device: str = "A100", **changes) -> dict:
    return {
        **{"first_epoch": first_epoch, "device": device, "total_seconds": 100.0, "started_at": "2026-01-01"},
        **{"peak_host_memory_bytes": 10, "peak_device_memory_bytes": None, **COLD, **changes},
    }


def columns(history: list[dict], *sessions: dict) -> dict:
    return RunHistory(history, 1, 0.5, list(sessions)).summary_columns(images=60)


def test_the_first_epoch_and_the_first_after_each_resumption_are_not_steady():
    history = [epoch(1, 50), epoch(2, 10), epoch(3, 40, resumed=True), epoch(4, 12)]
    found = columns(history, session(1), session(3, import_seconds=9.0, peak_host_memory_bytes=30))
    assert found["epoch_seconds_median"] == 11 and found["train_images_per_second"] == pytest.approx((6 + 5) / 2)
    assert found["total_seconds"] == 200 and found["resumptions"] == 1
    assert found["import_seconds"] == 2 and found["peak_host_memory_bytes"] == 30
    assert found["peak_device_memory_bytes"] is None


def test_epochs_on_another_device_are_not_mixed_with_those_on_the_last():
    history = [epoch(1, 50), epoch(2, 10), epoch(3, 40, resumed=True), epoch(4, 2), epoch(5, 7, resumed=True)]
    found = columns(history, session(1), session(3, "H100"), session(5, "H100"))
    assert found["epoch_seconds_median"] == 2


def test_a_process_that_had_nothing_left_to_train_counts_with_its_seconds_alone():
    found = columns([epoch(1, 50), epoch(2, 10)], session(1), session(3, "H100"))
    assert found["epoch_seconds_median"] == 10 and found["total_seconds"] == 200


def test_a_lone_epoch_is_all_there_is():
    assert columns([epoch(1, 50)], session(1))["epoch_seconds_median"] == 50
    assert columns([epoch(1, 50), epoch(2, 30, resumed=True)], session(1), session(2))["epoch_seconds_median"] == 40


def test_this_process_is_a_session_more():
    kept = RunHistory.begin(None, 2.0, 5.0).snapshot()
    assert [s["first_epoch"] for s in kept["sessions"]] == [1] and kept["sessions"][0]["total_seconds"] > 0
    again = RunHistory.begin(kept | {"epoch_rows": [epoch(1, 50)]}, 3.0, 6.0)
    assert [s["first_epoch"] for s in again.sessions] == [1, 2]
    assert again.sessions[1]["import_seconds"] == 3.0 and again.sessions[1]["device"]
