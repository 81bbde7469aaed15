import pytest

from vitbench.backends.registry import get_backend


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_the_candidate_plans_of_each_backend(backend):
    first = get_backend(backend).candidate_plans(augmented=True, on_gpu=False)
    assert {(plan.jit_compile, plan.augmentation) for plan in first} >= {(False, "layers"), (True, "sampler")}
    assert len(get_backend(backend).candidate_plans(augmented=False, on_gpu=False)) == 2
    changes = get_backend(backend).plan_variations(augmented=True)
    assert changes[0]["input_pipeline"] == ("arrays" if backend == "tensorflow" else "device")
    assert changes[-1] == {"augmentation": "outside", "input_pipeline": "batches"}
    assert ({"steps_per_execution": 8} in changes) == (backend != "torch")


def test_the_candidate_plans_on_a_gpu():
    torch = get_backend("torch").candidate_plans(augmented=True, on_gpu=True)
    assert torch[0].cuda_graph and not any(plan.cuda_graph for plan in torch[1:])
    assert get_backend("torch").candidate_plans(augmented=False, on_gpu=True)[0].cuda_graph
    assert all(plan.jit_compile for plan in get_backend("jax").candidate_plans(augmented=True, on_gpu=True))
