"""NVML on a machine that seems to have NVIDIA GPUs: what stands in for the module pynvml."""

from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """The error with which NVML refuses."""


def fake_nvml(*gpus: dict[str, Any]) -> SimpleNamespace:
    """A module of which every function answers from a dictionary per GPU, by the name of the function.

    It refuses where a GPU has no answer. The handle of a GPU is its number. Assign it to sys.modules["pynvml"].
    """

    def ask(function: str):
        def answer(gpu: int, *_):
            if function not in gpus[gpu]:
                raise NVMLError(f"{function} is not supported")
            value = gpus[gpu][function]
            return value() if callable(value) else value

        return answer

    def find(name: str) -> int:
        names = [gpu.get("GetUUID") for gpu in gpus]
        if name not in names:
            raise NVMLError("Not Found")
        return names.index(name)

    def handle(number: int) -> int:
        if number >= len(gpus):
            raise NVMLError("Invalid Argument")
        return number

    functions = (
        "GetName",
        "GetSamples",
        "GetUUID",
        "GetMemoryInfo",
        "GetMigMode",
        "GetEnforcedPowerLimit",
        "GetCurrentClocksThrottleReasons",
        "GetComputeRunningProcesses",
        "GetTemperature",
        "GetTotalEnergyConsumption",
    )
    clocks = {1: "SM", 2: "memory"}
    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(gpus),
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetHandleByUUID=find,
        nvmlSystemGetDriverVersion=lambda: "580.95",
        nvmlDeviceGetClockInfo=lambda gpu, clock: ask(f"{clocks[clock]} clock")(gpu),
        **{f"nvmlDevice{name}": ask(name) for name in functions},
    )
