import numpy as np
import pandas as pd
import pytest

from vitbench.analysis.startup import busy_and_idle_seconds, startup_costs


def measured(backend: str, cold: float, images_per_second: float, **changes) -> dict:
    return {
        **{"model": "vit", "precision": "float32", "batch_size": 64, "backend": backend, "execution": "tuned"},
        **{"phase": "train", "status": "completed", "images_per_second": images_per_second},
        **{"import_seconds": 1.0, "build_seconds": 0.5, "first_step_seconds": cold - 1.5, **changes},
    }


def test_a_dearer_start_is_made_up_for_by_faster_epochs():
    rows = [measured("torch", 5, 100), measured("jax", 35, 200), measured("tensorflow", 25, 80)]
    found = startup_costs(pd.DataFrame(rows), train_images=1000).set_index("backend")
    assert found.epoch_seconds.to_dict() == {"torch": 10.0, "jax": 5.0, "tensorflow": 12.5}
    assert found.startup_seconds.to_dict() == {"torch": 5.0, "jax": 35.0, "tensorflow": 25.0}
    # 30 s more at the start, 5 s less per epoch; and one that is slower as well never makes up for it.
    assert found.break_even_epochs.to_dict() == {"torch": 0.0, "jax": 6.0, "tensorflow": np.inf}


def test_only_like_is_compared_with_like():
    rows = [measured("torch", 5, 100), measured("jax", 35, 200, batch_size=128), measured("jax", 9, 1, phase="infer")]
    rows += [measured("jax", 1, 500, execution="native"), measured("jax", 1, 500, status="out_of_memory")]
    found = startup_costs(pd.DataFrame(rows), train_images=1000)
    assert found[["backend", "batch_size", "break_even_epochs"]].to_numpy().tolist() == [
        ["torch", 64, 0.0],
        ["jax", 128, 0.0],
    ]


def test_without_the_number_of_images_nothing_is_claimed():
    rows = [measured("torch", 5, 100), measured("jax", 35, 200)]
    assert startup_costs(pd.DataFrame(rows), train_images=None).break_even_epochs.isna().all()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], (0.0, 0.0)),
        ([(0, 10), (10, 20)], (20.0, 0.0)),
        ([(0, 10), (12, 20), (25, 30)], (23.0, 7.0)),
        ([(0, 30), (5, 10), (31, 32)], (31.0, 1.0)),  # one lies within another
        ([(0, 30), (20, 40)], (40.0, 0.0)),
        ([(0, 30), (630, 640), (1250, 1260)], (50.0, 600.0)),  # the second pause is one between two calls
    ],
)
def test_time_between_commands_is_time_in_which_none_runs(spans, expected):
    at = lambda second: f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00"  # noqa: E731
    jobs = pd.DataFrame([(at(a), at(b)) for a, b in spans], columns=["started_at", "finished_at"])
    assert busy_and_idle_seconds(jobs) == expected
