"""A channel that stands in for conda-forge: this machine's Python under the pinned version, and pip's wheels.

Runs in conda's own Python, which has `conda_package_handling`: python channel.py CHANNEL PYTHON_VERSION WHEELS
"""

import configparser
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from conda_package_handling import api

LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip", "__pycache__", "EXTERNALLY-MANAGED"}


def copy_python(tree: Path) -> None:
    """Copies the base Python: executable, standard library, headers and shared library."""
    base, name = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tree / "bin").mkdir(parents=True)
    shutil.copy2(base / "bin" / name, tree / "bin" / name)
    for alias in ("python", "python3"):
        (tree / "bin" / alias).symlink_to(name)
    library = tree / "lib" / name
    shutil.copytree(base / "lib" / name, library, symlinks=True, ignore=ignore_files)
    (library / "site-packages").mkdir()
    (library / "site-packages" / "README.txt").write_text("Third-party packages.\n")
    shutil.copytree(base / "include" / name, tree / "include" / name)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = tree / "lib" / sysconfig.get_config_var("INSTSONAME")
        shutil.copy2(Path(sysconfig.get_config_var("LIBDIR")) / shared.name, shared)
        shared.with_name(shared.name.removesuffix(".1.0")).symlink_to(shared.name)
        subprocess.run(["patchelf", "--set-rpath", "$ORIGIN/../lib", tree / "bin" / name], check=True)


def ignore_files(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in LEFT_OUT or name.endswith((".a", ".pyc")) or name == "python.o"]


def find_placeholders(tree: Path) -> dict[str, str]:
    """The text files that name the base Python's folder, where conda writes the environment's."""
    files = [*tree.rglob("_sysconfigdata*.py"), *tree.rglob("config-*/Makefile"), *tree.rglob("config-*/*.py")]
    return {str(file.relative_to(tree)): sys.base_prefix for file in files if sys.base_prefix in file.read_text()}


def pack(tree: Path, channel: Path, index: dict, link: dict | None = None, placeholders: dict | None = None) -> dict:
    """Writes the package of `tree` to the channel and returns its record for repodata.json."""
    index = {"arch": None, "platform": None, "build_number": 0, "license": "of the package", "timestamp": 0} | index
    entries = []
    for path in sorted(p for p in tree.rglob("*") if p.is_symlink() or p.is_file()):
        name = str(path.relative_to(tree))
        entry = {"_path": name, "path_type": "softlink" if path.is_symlink() else "hardlink"}
        entry |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size_in_bytes": path.stat().st_size}
        if name in (placeholders or {}):
            entry |= {"prefix_placeholder": placeholders[name], "file_mode": "text"}
        entries.append(entry)
    info = tree / "info"
    info.mkdir()
    (info / "index.json").write_text(json.dumps(index))
    (info / "paths.json").write_text(json.dumps({"paths": entries, "paths_version": 1}))
    (info / "files").write_text("".join(f"{entry['_path']}\n" for entry in entries))
    if link:
        (info / "link.json").write_text(json.dumps(link))
    file_name = f"{index['name']}-{index['version']}-{index['build']}.conda"
    members = [str(path.relative_to(tree)) for path in sorted(tree.rglob("*")) if path.is_symlink() or path.is_file()]
    folder = channel / index["subdir"]
    api.create(str(tree), members, file_name, out_folder=str(folder))
    data = (folder / file_name).read_bytes()
    digests = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return {file_name: index | digests}


def pack_python(channel: Path, version: str, folder: Path) -> dict:
    tree = folder / "python"
    copy_python(tree)
    index = {"name": "python", "version": version, "build": f"stand_in_{platform.python_version().replace('.', '_')}"}
    index |= {"depends": [], "subdir": "linux-64", "arch": "x86_64", "platform": "linux"}
    return pack(tree, channel, index, placeholders=find_placeholders(tree))


def pack_wheel(wheel: Path, channel: Path, folder: Path) -> dict:
    name, version = wheel.name.split("-")[:2]
    tree = folder / name
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree / "site-packages")
    metadata = next((tree / "site-packages").glob("*.dist-info"))
    (metadata / "INSTALLER").write_text("conda\n")
    parser = configparser.ConfigParser(delimiters=["="])
    parser.optionxform = str  # names of scripts keep their case
    parser.read(metadata / "entry_points.txt")
    scripts = dict(parser["console_scripts"]) if "console_scripts" in parser else {}
    depends = ["python >=3.9", *(["setuptools", "wheel"] if name == "pip" else [])]
    index = {"name": name, "version": version, "build": "stand_in", "depends": depends}
    index |= {"subdir": "noarch", "noarch": "python"}
    entry_points = [f"{script} = {target}" for script, target in scripts.items()]
    link = {"noarch": {"type": "python", "entry_points": entry_points}, "package_metadata_version": 1}
    return pack(tree, channel, index, link=link)


def write_channel(channel: Path, python_version: str, wheels: Path) -> None:
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        packages = {"linux-64": pack_python(channel, python_version, Path(folder)), "noarch": {}}
        for wheel in sorted(wheels.glob("*.whl")):
            packages["noarch"] |= pack_wheel(wheel, channel, Path(folder))
    for subdir, records in packages.items():
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records, "removed": []}
        (channel / subdir / "repodata.json").write_text(json.dumps(repodata | {"repodata_version": 1}))


if __name__ == "__main__":
    write_channel(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
