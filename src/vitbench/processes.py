"""A function in a process of its own: one backend, one cold start, and a crash or a hang that ends nothing else."""

import contextlib
import multiprocessing
from collections.abc import Callable

from vitbench.progress import UserError, log


def in_a_process(function: Callable[..., dict], arguments: tuple, limit_seconds: float) -> dict:
    """What `function` returns in a fresh process; or why it did not: it failed, or took longer than the limit."""
    import psutil

    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, arguments), daemon=False)
    process.start()
    sender.close()
    try:
        if receiver.poll(None if limit_seconds == float("inf") else limit_seconds):
            if isinstance(outcome := receiver.recv(), UserError):
                raise outcome
            return outcome
        return {"status": "abandoned"}
    except EOFError:
        process.join()
        return {"status": "failed", "error": f"the process ended with exit code {process.exitcode}"}
    finally:
        if process.is_alive():  # compilers that it started must not go on beside the next measurement
            with contextlib.suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                for child in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
        process.join()


def _send(sender, function: Callable[..., dict], arguments: tuple) -> None:
    try:
        sender.send(function(*arguments))
    except UserError as error:
        sender.send(error)
    except Exception as error:
        log.exception("%s failed", function.__name__)
        sender.send({"status": "failed", "error": f"{type(error).__name__}: {str(error)[:500]}"})
