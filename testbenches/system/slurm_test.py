# SPDX-License-Identifier: Apache-2.0
"""nibble sweep --engine slurm against slurmctld, slurmd and munged of their own, on the loopback interface.

Exit status 77 (skipped) where Debian's packages slurmctld, slurmd, slurm-client and munge are not installed, or without
the rights of root, which slurmd needs."""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import program

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
SWEEP = """name: cluster
settings: {accelerator: mant, k: 256, n: 256, memory: flat-64gbps}
axes:
  m: [16, 32, 64]
  array.columns: [8, 16, 32]
  clock_mhz: [250, 500]
objectives: [time_s, area_um2]
"""
# Long enough to be caught at work: cycle by cycle, some seconds a point.
SLOW = """name: slow
settings: {accelerator: mant, m: 512, k: 1024, n: 512, fidelity: cycle, memory: flat-64gbps}
axes: {clock_mhz: {from: 300, to: 500, step: 20}}
objectives: [time_s]
"""
FINAL = ("results.csv", "pareto.csv", "sweep.json", "report.html")


def locate(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Cluster:
    """One node, two processors, in a directory of its own."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="nibble-slurm-"))
        self.directory.chmod(0o755)  # munged wants its socket to be reachable
        self.daemons = []
        atexit.register(self.stop)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by a test's time limit: atexit still runs
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        here, host = self.directory, socket.gethostname().split(".")[0]
        (here / "munge.key").write_bytes(os.urandom(1024))
        (here / "munge.key").chmod(0o600)
        for name in ("state", "spool"):
            (here / name).mkdir()
        controller, node = free_ports(2)
        (here / "slurm.conf").write_text(f"""ClusterName=nibble
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={here}/munge.socket
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool
SlurmctldPidFile={here}/slurmctld.pid
SlurmdPidFile={here}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
""")
        self.environment = {**program.ENVIRONMENT, "SLURM_CONF": str(here / "slurm.conf")}
        self.run_daemon("munged", "--foreground", f"--key-file={here}/munge.key", f"--socket={here}/munge.socket",
                        f"--pid-file={here}/munged.pid", f"--seed-file={here}/munge.seed")
        self.wait(lambda: (here / "munge.socket").exists(), "munged")
        self.run_daemon("slurmctld", "-D")
        self.run_daemon("slurmd", "-D")
        self.wait(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%t", check=False), "the node")

    def run_daemon(self, name, *arguments):
        log = open(self.directory / f"{name}.log", "wb")
        self.daemons.append(subprocess.Popen([locate(name), *arguments], env=self.environment, stdout=log, stderr=log,
                                             stdin=subprocess.DEVNULL, start_new_session=True))
        log.close()

    def wait(self, ready, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in self.daemons):
                logs = "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"
                                 for path in self.directory.glob("*.log"))
                raise RuntimeError(f"{what} did not come up\n{logs}")
            time.sleep(0.1)

    def call(self, *words, check=True):
        return subprocess.run([locate(words[0]), *words[1:]], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=check).stdout

    def stop(self):
        if self.directory.exists() and self.daemons:
            subprocess.run([locate("scancel"), "--user=root", "--signal=KILL"], env=self.environment,
                           capture_output=True, timeout=30, check=False)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []
        shutil.rmtree(self.directory, ignore_errors=True)


class Slurm(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        program.ENVIRONMENT.update(SLURM_CONF=cls.cluster.environment["SLURM_CONF"])

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def finals(self, directory):
        return {name: (self.directory / directory / name).read_bytes() for name in FINAL}

    def idle(self):
        return self.cluster.call("squeue", "--noheader").strip() == ""

    def lines(self, directory):
        return sum(path.read_bytes().count(b"\n") for path in (self.directory / directory / "shards").glob("*.jsonl"))

    def logs(self, directory):
        return "\n".join(path.read_text() for path in sorted((self.directory / directory / "slurm").glob("*.log")))

    def test_a_job_array_gives_what_this_machine_gives(self):
        sweep = self.write("cluster.yaml", SWEEP)
        self.succeed("sweep", sweep, "--out=here")
        outcome = self.succeed("sweep", sweep, "--out=there", "--engine=slurm", "--shards=4", "--wait", timeout=300)
        self.assertIn("18 points: 18 done", outcome.out)
        self.assertEqual(self.finals("there"), self.finals("here"))
        self.assertEqual(len(list((self.directory / "there/shards").glob("*-of-4.jsonl"))), 4)
        # Nothing is left to do: no job, the same outputs.
        self.succeed("sweep", sweep, "--out=there", "--engine=slurm", "--resume")
        self.assertTrue(self.idle())
        self.assertEqual(self.finals("there"), self.finals("here"))
        self.refused("sweep", sweep, "--out=there", "--engine=slurm", words=["--resume"])

    def test_without_waiting_a_second_job_merges(self):
        sweep = self.write("cluster.yaml", SWEEP)
        self.succeed("sweep", sweep, "--out=here")
        submitted = self.report("sweep", sweep, "--out=there", "--engine=slurm", "--shards=3")
        self.assertEqual((submitted["tasks"], submitted["shards"]), (3, 3))
        self.cluster.wait(lambda: (self.directory / "there/results.csv").exists() and self.idle(), "the merge", 120)
        self.assertEqual(self.finals("there"), self.finals("here"), self.logs("there"))

    def test_tasks_that_are_cancelled_are_submitted_again(self):
        sweep = self.write("slow.yaml", SLOW)
        submitted = self.report("sweep", sweep, "--out=there", "--engine=slurm", "--shards=2")
        self.cluster.wait(lambda: self.lines("there") >= 2, "two results", 200)
        outcome = self.nibble("sweep", sweep, "--out=there", "--engine=slurm", "--resume")
        self.assertEqual(outcome.status, 2)
        self.assertIn(f"Slurm job {submitted['job']} has", outcome.err)
        self.cluster.call("scancel", submitted["job"])
        self.cluster.wait(self.idle, "the end of the jobs", 60)
        found = self.lines("there")
        self.assertLess(found, 11)
        self.assertIn("points have no result yet", self.logs("there"))  # says the job that merges
        outcome = self.succeed("sweep", sweep, "--out=there", "--engine=slurm", "--resume", "--shards=2", "--wait",
                               timeout=400)
        self.assertIn("11 points: 11 done", outcome.out)
        self.assertEqual(self.lines("there"), 11, "a point ran twice")
        self.succeed("sweep", sweep, "--out=here", "--jobs=2", timeout=400)
        self.assertEqual(self.finals("there"), self.finals("here"))

    def test_what_sbatch_refuses_is_told(self):
        sweep = self.write("cluster.yaml", SWEEP)
        outcome = self.nibble("sweep", sweep, "--out=out", "--engine=slurm", "--sbatch=--partition=none")
        self.assertEqual(outcome.status, 2)
        self.assertIn("error: sbatch: ", outcome.err)
        self.assertIn("partition", outcome.err)


if __name__ == "__main__":
    missing = [name for name in PROGRAMS if locate(name) is None]
    if missing or os.geteuid() != 0:
        print(f"skipped: {'not found: ' + ', '.join(missing) if missing else 'needs root for slurmd'}"
              "; scripts/setup.sh installs slurmctld, slurmd, slurm-client and munge")
        sys.exit(77)
    program.main()
