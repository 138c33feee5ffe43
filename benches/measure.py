"""One program, run once: CPU time, wall clock, peak memory. And the machine on which that was. Standard library only."""
import datetime
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass


@dataclass
class Run:
    """What one process used, with the processes that it started and waited for."""
    cpu: float  # seconds, user and system
    wall: float  # seconds
    peak: int  # bytes resident at most: of the process, or the sum over the processes that it started
    wire: int  # bytes over the loopback device meanwhile, whoever sent them
    said: str


def run(command, tree=False):
    """Runs a command to its end; with `tree` the memory of the processes that it starts is looked at too."""
    with tempfile.TemporaryFile() as log:
        sent, begin = loopback(), time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        peaks = {}
        while tree:
            peaks |= high_water(process.pid)
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        else:
            _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}\n{said.strip()[-600:]}")
    peak = max(used.ru_maxrss * 1024, sum(peaks.values()))
    return Run(used.ru_utime + used.ru_stime, wall, peak, loopback() - sent, said)


def high_water(pid):
    """the peak so far of each living process of a tree, in bytes"""
    found, waiting = {}, [pid]
    while waiting:
        pid = waiting.pop()
        try:
            with open(f"/proc/{pid}/status") as file:
                found[pid] = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * 1024
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    waiting += map(int, file.read().split())
        except (OSError, TypeError):  # it has ended meanwhile
            pass
    return found


def loopback():
    """bytes sent over the loopback device since the machine started; 0 where the system does not tell"""
    try:
        with open("/proc/net/dev") as file:
            return next(int(line.split()[9]) for line in file if line.split(":")[0].strip() == "lo")
    except (OSError, StopIteration):
        return 0


def middle(values):
    """(median, least, most)"""
    return statistics.median(values), min(values), max(values)


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return f"{command[0]}: unknown"


def machine():
    """the machine in a few words"""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = re.search(r"model name\s*:\s*(.+)", file.read())[1]
    except (OSError, TypeError):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
