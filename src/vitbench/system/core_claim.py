"""The claim of a job to the cores that it was granted."""

import contextlib
import os
import tempfile
from pathlib import Path

from vitbench.system.environment import usable_cores
from vitbench.system.locks import claim_one_of
from vitbench.system.scratch import PREFIX

GRANT = "OMP_NUM_THREADS"  # Snakemake sets it to the threads of the rule


def granted_cores() -> int:
    """How many cores this job was granted: OMP_NUM_THREADS, or all that it may run on if that is unset or more."""
    usable = len(usable_cores())
    with contextlib.suppress(ValueError):
        return max(1, min(usable, int(os.environ.get(GRANT, ""))))
    return usable


def claim_cores() -> list[int]:
    """Restricts this process and its children to as many cores as were granted, and returns these.

    Every library then sees the same cores; OMP_NUM_THREADS alone binds only PyTorch. If the machine has more cores, no
    other job of vitbench on it that was granted as many gets the same ones; this waits until enough are free. On
    systems without processor affinity, such as macOS, nothing is restricted.
    """
    usable, granted = usable_cores(), granted_cores()
    if granted == len(usable) or not hasattr(os, "sched_setaffinity"):
        return usable
    groups = [usable[i : i + granted] for i in range(0, len(usable) - granted + 1, granted)]
    locks = [Path(tempfile.gettempdir(), f"{PREFIX}cores{group[0]}-{group[-1]}.lock") for group in groups]
    purpose = f"{granted} of the {len(usable)} cores; other jobs of vitbench use them"
    cores = groups[locks.index(claim_one_of(locks, purpose))]
    os.sched_setaffinity(0, cores)
    return cores
