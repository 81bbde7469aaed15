import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gpu_queue import BOUNDS, Item, estimate_need, list_items, main, read_record, run_item, share_caches, work_through
from vitbench.config.schema import Config
from vitbench.results.jobs import list_measurements
from vitbench.results.paths import Results
from vitbench.system.files import write_json

CONFIG = Config(
    models={"resnet50v2": None},
    baseline=None,
    backends=["jax", "torch"],
    precisions=["tf32", "mixed_bfloat16"],
    seeds=[3, 4],
    executions={"throughput": ["tuned", "native"]},
    parity={"reference_backend": "torch"},
    throughput={"rounds": 2},
)
PREPARATION = [
    "data",
    "init vit seed3",
    "tune vit torch tf32",
    "tune vit torch mixed_bfloat16",
    "parity vit torch",
    "tune vit jax tf32",
    "tune vit jax mixed_bfloat16",
    "parity vit jax",
]
RUNS = [
    "train vit jax tuned tf32 seed3",
    "train vit jax tuned mixed_bfloat16 seed3",
    "train vit torch tuned tf32 seed3",
    "train vit torch tuned mixed_bfloat16 seed3",
    "init vit seed4",
    "train vit jax tuned tf32 seed4",
    "train vit jax tuned mixed_bfloat16 seed4",
    "train vit torch tuned tf32 seed4",
    "train vit torch tuned mixed_bfloat16 seed4",
]


class Machine:
    """Runs items in no time on a clock of its own. seconds: how long an item takes, by its name or step."""

    def __init__(self, folder: Path, seconds: dict[str, float] | None = None, failing: tuple[str, ...] = ()):
        self.record, self.started, self.limits = folder / "queue.tsv", [], []
        self._now, self._seconds, self._failing = 0.0, seconds or {}, failing

    def work(self, items: list[Item], seconds: float, max_items: int | None = None) -> list[str]:
        """The names of the items that were started."""
        before = len(self.started)
        work_through(items, self.record, seconds, self._run, max_items, clock=lambda: self._now)
        return self.started[before:]

    def outcomes(self) -> dict[str, str]:
        return {row["item"]: row["outcome"] for row in read_record(self.record)}

    def _run(self, item: Item, limit: float) -> str:
        self.started.append(str(item))
        self.limits.append(limit)
        seconds = self._seconds.get(str(item), self._seconds.get(item.step, 1.0))
        self._now += min(seconds, limit)
        if str(item) in self._failing:
            return "failed: no memory"
        if seconds > limit:
            return f"killed at its limit of {limit:.0f} s"
        for path in item.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return "completed"


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path / "results" / "cifar100")


def make_item(folder: Path, name: str, **changes) -> Item:
    step, *names = name.split()
    return Item(step, tuple(names), (), changes.get("inputs", ()), (folder / f"{name.replace(' ', '-')}.json",))


def test_the_reference_is_prepared_first_and_rounds_precede_runs(results):
    names = [str(item) for item in list_items(CONFIG, results)]
    rounds = [" ".join(("throughput", *job.log_names)) for job in list_measurements(CONFIG)]
    assert names == [*PREPARATION, *rounds, *RUNS]


def test_every_item_can_begin_once_those_before_it_are_done(results, tmp_path):
    items = list_items(CONFIG, results)
    assert Machine(tmp_path).work(items, 1e6) == [str(item) for item in items]


def test_every_item_names_its_job(results):
    options = {str(item): item.options for item in list_items(CONFIG, results)}
    assert options["data"] == ()
    assert options["init vit seed4"] == ("--model=vit", "--seed=4")
    assert options["tune vit jax tf32"] == ("--model=vit", "--backend=jax", "--precision=tf32")
    job = ("--model=vit", "--backend=torch", "--execution=tuned", "--precision=tf32")
    assert options["throughput vit torch tuned tf32 round2-control"] == (*job, "--round=2-control")
    assert options["train vit torch tuned tf32 seed3"] == (*job, "--seed=3")


def test_a_backend_that_is_only_the_reference_is_not_tuned(results):
    config = Config(executions={"throughput": ["tuned"]}, seeds=[0], baseline={"backends": ["torch"]})
    names = [str(item) for item in list_items(config, results) if "resnet50v2" in item.names]
    assert names[:4] == [
        "init resnet50v2 seed0",
        "parity resnet50v2 jax",
        *(f"{step} resnet50v2 torch" + end for step, end in (("tune", " float32"), ("parity", ""))),
    ]


def test_the_next_machine_continues_with_what_is_left(results, tmp_path):
    items = list_items(CONFIG, results)
    first = Machine(tmp_path).work(items, 1e6, max_items=10)
    assert len(first) == 10
    assert first + Machine(tmp_path).work(items, 1e6) == [str(item) for item in items]
    assert Machine(tmp_path).work(items, 1e6) == []
    assert len(read_record(tmp_path / "queue.tsv")) == len(items)


def test_images_and_weights_that_did_not_travel_are_made_again(results, tmp_path):
    items = list_items(CONFIG, results)
    Machine(tmp_path).work(items, 1e6, max_items=len(PREPARATION))
    for path in (results.images("train"), results.images("test"), results.init("vit", 3)):
        path.unlink()
    assert Machine(tmp_path).work(items, 1e6, max_items=2) == ["data", "init vit seed3"]


def test_the_arrays_of_the_reference_are_made_again_only_for_a_backend_without_a_verdict(results, tmp_path):
    Machine(tmp_path).work(list_items(CONFIG, results), 1e6, max_items=PREPARATION.index("parity vit jax"))
    results.parity_quantities("vit", "torch").unlink()
    again = Machine(tmp_path).work(list_items(CONFIG, results), 1e6, max_items=2)
    assert again == ["parity vit torch", "parity vit jax"]
    results.parity_quantities("vit", "torch").unlink()
    assert "parity" not in " ".join(Machine(tmp_path).work(list_items(CONFIG, results), 1e6))


def test_what_depends_on_a_failed_item_is_not_started_and_all_else_is(results, tmp_path):
    items = list_items(CONFIG, results)
    machine = Machine(tmp_path, failing=("tune vit jax tf32",))
    started = machine.work(items, 1e6)
    assert machine.outcomes()["tune vit jax tf32"] == "failed: no memory"
    assert {"tune vit jax mixed_bfloat16", "train vit torch tuned tf32 seed4"} <= set(started)
    assert not {name for name in started if " jax " in name and name.startswith(("throughput", "train"))}
    assert "parity vit jax" not in started


def test_an_item_that_needs_more_time_than_is_left_gives_way_to_a_shorter_one(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr("gpu_queue.notify", messages.append)
    items = [make_item(tmp_path, name) for name in ("parity vit jax", "throughput vit jax", "data")]
    machine = Machine(tmp_path)
    assert machine.work(items, BOUNDS["throughput"][0] + 1) == ["throughput vit jax", "data"]
    assert "parity vit jax: not started, because it needs 240 s and 46 s are left" in messages
    assert "parity vit jax" not in machine.outcomes()


def test_nothing_begins_without_time(results, tmp_path):
    assert Machine(tmp_path).work(list_items(CONFIG, results), 0) == []


def test_an_item_may_take_its_limit_or_the_time_that_is_left(tmp_path):
    items = [make_item(tmp_path, name) for name in ("throughput vit jax", "tune vit jax", "train vit jax")]
    machine = Machine(tmp_path, seconds={"throughput": 1e6, "train": 1e6})
    machine.work(items, 1000)
    assert machine.limits == [BOUNDS["throughput"][1], BOUNDS["tune"][1], 1000 - BOUNDS["throughput"][1] - 1]
    assert machine.outcomes() == {
        "throughput vit jax": "killed at its limit of 420 s",
        "tune vit jax": "completed",
        "train vit jax": "killed at its limit of 579 s",
    }


def test_the_need_is_the_longest_of_the_last_three_completed_items_of_the_step_on_the_backend(tmp_path):
    names = [f"throughput vit torch tuned tf32 round{number}" for number in range(1, 7)]
    machine = Machine(tmp_path, seconds=dict(zip(names, (300, 12, 60, 8, 1e6, 9), strict=True)))
    following = make_item(tmp_path, "throughput vit torch native tf32 round1")
    needs = []
    for name in names:
        machine.work([make_item(tmp_path, name)], 2000)
        needs.append(estimate_need(following, machine.record))
    assert needs == [300, 300, 300, 60, 60, 60]
    for other in ("throughput vit jax tuned tf32 round1", "throughput resnet50v2 torch tuned tf32 round1"):
        assert estimate_need(make_item(tmp_path, other), machine.record) == BOUNDS["throughput"][0]


def test_the_record_says_what_ran_where_when_and_for_how_long(tmp_path):
    Machine(tmp_path, seconds={"tune": 12.34}).work([make_item(tmp_path, "tune vit jax tf32")], 1000)
    [row] = read_record(tmp_path / "queue.tsv")
    assert row.pop("started_at").endswith("+00:00")
    machine = os.uname().nodename
    assert row == {"item": "tune vit jax tf32", "machine": machine, "seconds": "12.3", "outcome": "completed"}


def hang(arguments):
    subprocess.run([sys.executable, "-c", "import time; time.sleep(61)"])
    return {"status": "completed"}


def raise_error(arguments):
    raise MemoryError("no\nroom")


def write_failed_row(arguments):
    write_json(
        Path(next(a.removeprefix("--log=") for a in arguments if "--log=" in a)).parents[2] / "a.json",
        {"status": "gated"},
    )
    return {"status": "completed"}


def do_nothing(arguments):
    return {"status": "completed"}


def test_an_item_is_killed_with_its_children_at_its_limit(tmp_path, results):
    started = time.monotonic()
    outcome = run_item(make_item(tmp_path, "tune vit jax"), 4, [], results, hang)
    assert outcome == "killed at its limit of 4 s" and time.monotonic() - started < 30
    assert not [p for p in psutil.Process().children(recursive=True) if "time.sleep(61)" in " ".join(p.cmdline())]


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (raise_error, "failed: MemoryError: no room"),
        (do_nothing, "failed: it left no result"),
        (write_failed_row, "gated"),
    ],
)
def test_the_outcome_of_an_item_that_does_not_complete_says_why(results, command, outcome):
    item = Item("throughput", ("vit", "jax"), (), (), (results.root / "a.json",))
    assert run_item(item, 60, [], results, command) == outcome


def test_a_command_of_vitbench_that_fails_is_reported(tmp_path, results):
    item = Item("init", ("vit", "seed0"), ("--model=unknown", "--seed=0"), (), (tmp_path / "a.h5",))
    config = tmp_path / "config.json"
    config.write_text("{}")
    assert run_item(item, 60, [str(config)], results) == "failed: exit status 2"


def test_compilers_share_one_folder_unless_the_user_has_set_another(monkeypatch, tmp_path):
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    share_caches(tmp_path)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "torchinductor_cache_dir")
    assert os.environ["TRITON_CACHE_DIR"] == str(tmp_path / "triton_cache_dir")
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"


def test_a_config_that_is_not_valid_is_an_error(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("seeds: []")
    with pytest.raises(SystemExit) as error:
        main(["--config", str(tmp_path / "config.yaml"), "--seconds", "1"])
    assert error.value.code == 2 and "seeds" in capsys.readouterr().err
