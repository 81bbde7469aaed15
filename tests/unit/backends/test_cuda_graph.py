import pytest
import torch

from vitbench.backends.cuda_graph import HostConstants, NotConstantError


def convert(value) -> torch.Tensor:
    """As `keras.ops.convert_to_tensor` does on PyTorch."""
    return torch.as_tensor(value, dtype=torch.float32, device="cpu")


def test_a_repeated_step_uses_the_tensors_of_the_first():
    constants, values = HostConstants(), ([1.0, 2.0, 3.0], 0.5)
    with constants.record():
        first = [convert(value) for value in values]
    with constants.repeat():
        again = [convert(value) for value in values]
    assert all(a is b for a, b in zip(again, first, strict=True)), "they are not converted again"
    assert first[0].tolist() == values[0]


@pytest.mark.parametrize("values", [[0.5, 2.0], [1.0, 0.5], [0.5, 1.0, 2.0], [0.5], [0.5, 1]], ids=str)
def test_a_value_that_is_not_the_same_in_each_step_is_an_error(values):
    constants = HostConstants()
    with constants.record():
        for value in (0.5, 1.0):
            convert(value)
    with pytest.raises(NotConstantError, match="from the host"), constants.repeat():
        for value in values:
            convert(value)
