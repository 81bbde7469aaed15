"""A SLURM of one node and two made-up GPUs, for as long as a test needs it.

Its configuration, state, logs and sockets lie in one folder, and its ports are free ones: another installation of this
machine goes on beside it. It needs root, as slurmd does, and the programs that tests/slurm/install installs.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SLURM_CONF = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
AuthType=auth/munge
# a job that is begun again has to wait for as long as its credentials live
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
# there are no cgroups to hold a job to its memory, so look every second and kill
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=5,bf_interval=5
ReturnToService=2
SlurmdTimeout=20
KillWait=5
OverTimeLimit=0
MinJobAge=3600
GresTypes=gpu
{accounting}
NodeName={host} NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory={memory} Gres=gpu:2
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd_port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
"""
SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdPort={slurmdbd_port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
GRES_CONF = """
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
"""
CGROUP_CONF = """
CgroupPlugin=cgroup/v1
CgroupMountpoint={folder}/cgroup
CgroupAutomount=yes
ConstrainDevices=no
"""


# Snakemake calls it in a job without the variable that says where the configuration lies.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"
"""


class Cluster:
    """Starts with its `with` block and is gone after it, whatever happened in it."""

    def __init__(self, folder: Path, accounting: bool):
        self.folder, self.accounting = folder, accounting
        self._daemons: dict[str, subprocess.Popen] = {}
        ports = dict(zip(("slurmctld", "slurmd", "slurmdbd", "mariadb"), _free_ports(4), strict=True))
        self._values = {
            **{"folder": folder, "host": socket.gethostname().split(".")[0]},
            **{f"{name}_port": port for name, port in ports.items()},
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10,
        }
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder}/bin:{os.environ['PATH']}:{SYSTEM_PATH}",
        }

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self.start_munge()
            if self.accounting:
                self._start_accounting()
            self.start("slurmctld", "-D")
            self._await("slurmctld", lambda: " is UP" in self.run("scontrol", "ping", check=False).stdout)
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if "slurmctld" in self._daemons:
            self.run("scancel", "--user", "root", check=False)
            with contextlib.suppress(AssertionError):  # slurmd ends them, so they have to end before it
                self._await("the end of all jobs", lambda: not self.run("squeue", "-h", check=False).stdout, 30)
        for name in reversed(list(self._daemons)):
            self.stop(name)
        subprocess.run(["umount", "--recursive", "--lazy", str(self.folder / "cgroup")], capture_output=True)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        completed = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        output = completed.stdout + completed.stderr
        assert completed.returncode == 0 or not check, f"{command}: {output}{self.logs()}"
        return completed

    def start(self, name: str, *arguments: str, program: str | None = None) -> None:
        with (self.folder / f"{name}.out").open("a") as out:
            command = [program or name, *arguments]
            self._daemons[name] = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    def start_munge(self) -> None:
        """Starts what every word between SLURM's parts is signed by."""
        folder, files = self.folder / "munge", {"key-file": "key", "pid-file": "pid", "log-file": "munged.log"}
        files |= {"seed-file": "seed", "socket": "socket"}
        options = [f"--{option}={folder / name}" for option, name in files.items()]
        self.start("munged", "-u", "munge", "--", "munged", "--foreground", "--force", *options, program="runuser")
        self._await("munged", (folder / "socket").exists)

    def start_node(self) -> None:
        """Starts slurmd and waits until jobs can be sent there."""
        self.start("slurmd", "-D", "-N", self._values["host"])
        idle = lambda: self.run("sinfo", "-h", "-o", "%T").stdout.strip() in ("idle", "mixed", "allocated")  # noqa: E731
        self._await("the node", idle)

    def kill_node(self) -> None:
        """As a power cut: slurmd and all that it started are gone at once."""
        import psutil

        slurmd = self._daemons.pop("slurmd")
        slurmd.kill()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]
                if process.name() == "slurmstepd" or (ours and "SLURM_JOB_ID" in process.environ()):
                    process.kill()
        slurmd.wait()

    def stop(self, name: str) -> None:
        process = self._daemons.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def logs(self) -> str:
        """The end of what every daemon said."""
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "".join(f"\n== {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in files)

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for name in ("bin", "state", "spool", "cgroup"):
            (self.folder / name).mkdir()
        accounting = ACCOUNTING.format(**self._values) if self.accounting else ""
        configurations = {
            "slurm.conf": SLURM_CONF,
            "gres.conf": GRES_CONF,
            "cgroup.conf": CGROUP_CONF,
            "slurmdbd.conf": SLURMDBD_CONF,
            "bin/srun": SRUN,
        }
        for name, text in configurations.items():
            (self.folder / name).write_text(text.format(**self._values, accounting=accounting))
            (self.folder / name).chmod({"slurmdbd.conf": 0o600, "bin/srun": 0o755}.get(name, 0o644))

        folder, user = self.folder / "munge", pwd.getpwnam("munge")
        folder.mkdir()
        (folder / "key").write_bytes(secrets.token_bytes(1024))
        for path, mode in ((folder / "key", 0o400), (folder, 0o711)):
            os.chown(path, user.pw_uid, user.pw_gid)
            path.chmod(mode)

    def _start_accounting(self) -> None:
        data, port = self.folder / "mariadb", self._values["mariadb_port"]
        data.mkdir()
        shutil.chown(data, "mysql", "mysql")
        install = ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db"]
        self.run(*install, "--auth-root-authentication-method=normal")
        where = [f"--datadir={data}", f"--socket={data}/socket", f"--port={port}", f"--pid-file={data}/pid"]
        self.start("mariadbd", "--no-defaults", "--user=mysql", "--bind-address=127.0.0.1", *where)
        client = ["mariadb", "--no-defaults", f"--socket={data}/socket", "--user=root"]
        self._await("MariaDB", lambda: not self.run(*client, "-e", "SELECT 1", check=False).returncode)
        self.run(*client, "-e", "CREATE USER slurm@'%' IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@'%'")
        self.start("slurmdbd", "-D")
        self._await("slurmdbd", lambda: not self.run("sacctmgr", "-n", "list", "cluster", check=False).returncode)
        for added in (["cluster", "throwaway"], ["account", "ours", "cluster=throwaway"]):
            self.run("sacctmgr", "--immediate", "add", *added)
        self.run("sacctmgr", "--immediate", "add", "user", "root", "account=ours", "defaultaccount=ours", check=False)

    def _await(self, what: str, ready: Callable[[], object], seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < ends, f"{what} did not come up in {seconds:.0f} s{self.logs()}"
            time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
