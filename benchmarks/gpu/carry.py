"""Carries results between machines: python benchmarks/gpu/carry.py pack|unpack PREFIX

`pack` writes what the tables, the report and the queue on another machine need into one zip archive, in parts of
limited size: PREFIX.zip.1-of-3, … Images, weights, checkpoints and compiled functions stay where they are. `unpack`
extracts the parts into the folder in which it runs.
"""

import argparse
import io
import re
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from vitbench.config.loading import ConfigError, load_config
from vitbench.config.schema import Config
from vitbench.formatting import join_words
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write
from vitbench.system.logs import UserError

MEGABYTE = 1_000_000
# Below results/<experiment>. The labels of the test images are needed to count which classes are confused.
CARRIED = (
    "queue.tsv",
    "data/manifest.json",
    "data/y_test.npy",
    "tune/**/*.json",
    "parity/**/*.json",
    "runs/**/*.json",
    "runs/**/*.csv",
    "runs/**/predictions.npz",
    "throughput/**/*.json",
    "logs/**/*.json",
    "logs/**/*.log",
)


def list_carried(config: Config, results: Results, most_bytes: float) -> list[Path]:
    """The files that travel. Arrays for parity are among them only if they are not larger than `most_bytes`.

    Without these arrays, the queue runs parity of the reference backend again if it has to.
    """
    files = [path for pattern in CARRIED for path in sorted(results.root.glob(pattern))]
    models = dict.fromkeys(model for model, _ in config.model_backends())
    arrays = [results.parity_quantities(model, config.reference_backend(model)) for model in models]
    files += [path for path in arrays if path.exists() and path.stat().st_size <= most_bytes]
    return [path for path in files if not path.name.startswith(".")]  # atomic_write's names while it writes


def pack(config: Config, results: Results, prefix: Path, part_bytes: int) -> list[Path]:
    """Writes the archive in parts of at most `part_bytes` and returns them. Parts of an earlier archive are deleted.

    Raises UserError if there are no results.
    """
    files = list_carried(config, results, part_bytes)
    if not files:
        raise UserError(f"there are no results in {results.root.absolute()}; run this where the queue ran")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path)
    for part in find_parts(prefix).values():
        part.unlink()
    content = archive.getvalue()
    starts = range(0, len(content), part_bytes)
    parts = [prefix.with_name(f"{prefix.name}.zip.{number}-of-{len(starts)}") for number in range(1, len(starts) + 1)]
    for part, start in zip(parts, starts, strict=True):
        with atomic_write(part) as path:
            path.write_bytes(content[start : start + part_bytes])
    return parts


def unpack(prefix: Path) -> list[str]:
    """Extracts the parts into this folder and returns the names of the files. Files that exist are replaced.

    Raises UserError if a part is missing.
    """
    parts = find_parts(prefix)
    totals = sorted({total for _, total in parts})
    expected = f"expected all parts of one archive, such as {prefix}.zip.1-of-3"
    if not totals:
        raise UserError(f"{prefix}.zip.*: no such file; {expected}")
    if len(totals) > 1:
        raise UserError(f"{prefix}.zip.*: archives of {join_words(list(map(str, totals)))} parts are mixed; {expected}")
    if missing := [number for number in range(1, totals[0] + 1) if (number, totals[0]) not in parts]:
        raise UserError(f"{prefix}.zip.{missing[0]}-of-{totals[0]} is missing; all parts are needed")
    content = b"".join(path.read_bytes() for _, path in sorted(parts.items()))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall()
        return file.namelist()


def find_parts(prefix: Path) -> dict[tuple[int, int], Path]:
    """The parts that exist, by their number and the number of all parts of their archive."""
    pattern = re.compile(rf"{re.escape(prefix.name)}\.zip\.(\d+)-of-(\d+)")
    folder = prefix.parent.iterdir() if prefix.parent.exists() else []
    matches = [(path, match) for path in folder if (match := pattern.fullmatch(path.name))]
    return {(int(match[1]), int(match[2])): path for path, match in matches}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Carries results between machines.")
    commands = parser.add_subparsers(dest="command", required=True)
    packing, unpacking = commands.add_parser("pack"), commands.add_parser("unpack")
    for command in (packing, unpacking):
        command.add_argument("prefix", type=Path, help="the beginning of the parts' names, with their folder")
    packing.add_argument("--config", action="append", required=True, metavar="FILE", help="as for the queue")
    packing.add_argument("--part-megabytes", type=float, default=15, help="the most that a part may have")
    options = parser.parse_args(arguments)
    try:
        if options.command == "unpack":
            print(f"{len(unpack(options.prefix))} files")
            return
        config = load_config(options.config)
        part_bytes = int(options.part_megabytes * MEGABYTE)
        for part in pack(config, Results.for_experiment(config.experiment), options.prefix, part_bytes):
            print(f"{part}  {part.stat().st_size / MEGABYTE:.2f} MB")
    except (ConfigError, UserError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
