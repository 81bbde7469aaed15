"""The paths of the results, which are a public interface."""

from pathlib import Path

from vitbench.results.paths import Results

RESULTS = Results.for_experiment("mine")
CONFIGURATION = ("vit", "jax", "tuned", "float32")


def test_the_layout_is_the_documented_one():
    paths = {
        RESULTS.manifest: "data/manifest.json",
        RESULTS.images("train"): "data/x_train.npy",
        RESULTS.labels("test"): "data/y_test.npy",
        RESULTS.init("vit", 1): "init/vit-seed1.weights.h5",
        RESULTS.sample("vit", "jax"): "sample/vit/jax.json",
        RESULTS.tune("vit", "jax", "float32"): "tune/vit/jax/float32.json",
        RESULTS.parity("vit", "jax"): "parity/vit/jax.json",
        RESULTS.parity_quantities("vit", "jax"): "parity/vit/jax.npz",
        RESULTS.run(*CONFIGURATION, 1): "runs/vit/jax/tuned/float32/seed1",
        RESULTS.predictions(*CONFIGURATION, 1): "runs/vit/jax/tuned/float32/seed1/predictions.npz",
        RESULTS.checkpoint(*CONFIGURATION, 1): "checkpoints/vit/jax/tuned/float32/seed1",
        RESULTS.throughput(*CONFIGURATION, "2"): "throughput/vit/jax/tuned/float32/round2.json",
        RESULTS.log("data"): "logs/data.log",
        RESULTS.log("train", *CONFIGURATION, "seed1"): "logs/train/vit-jax-tuned-float32-seed1.log",
        RESULTS.figure("accuracy"): "figures/accuracy.svg",
        RESULTS.tables: "tables",
    }
    assert {path: str(path.relative_to("results/mine")) for path in paths} == paths


def test_an_experiment_is_a_folder_of_results():
    assert RESULTS.root == Path("results/mine")
