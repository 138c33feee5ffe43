"""What the scripts of this folder share: where the reference material is, how the program is run, which differences are known.

The reference material (`../shared` beside the repository, or $JAYFLOW_SHARED) holds open captures, what other tools say about
them, and a slow independent implementation of the definitions. Without it there is nothing to compare with. Standard library
only, Python 3.11.
"""
import collections
import concurrent.futures
import csv
import os
import subprocess
import sys
import tomllib

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("JAYFLOW_SHARED", os.path.join(os.path.dirname(REPOSITORY), "shared"))
GROUPS = ["flow_meta", "timing", "size", "tcp", "tls", "quic", "http2", "ssh", "dns", "padding", "fingerprint", "entropy", "mac", "ip_extended",
          "ipv6_options", "tcp_sequence", "tcp_window", "tcp_options", "tcp_mptcp", "tcp_rtt", "tcp_fingerprint", "icmp"]
# 0: all read; 3: some inputs were damaged, the rest is complete; 4: no input could be used, there may be no rows
GOOD_EXITS = (0, 3, 4)


def captures():
    """the open captures as AREA/NAME, in the order of their index; names without the area are unique"""
    with open(os.path.join(SHARED, "pcaps", "INDEX.csv"), newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


def capture_path(capture):
    return os.path.join(SHARED, "pcaps", capture)


def spec(capture, out, flows="", features="", groups=GROUPS):
    """the text of a spec from one capture to one CSV file"""
    quoted = ", ".join(f'"{group}"' for group in groups)
    return f"""spec = 1
[sources]
path = '{capture}'
[flows]
{flows}
[features]
groups = [{quoted}]
{features}
[sinks.out]
path = '{out}'
overwrite = true
"""


def run(command, timeout=600):
    """(exit code, what it said); a hang is exit code -1"""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return -1, f"no end after {timeout} s"


def run_spec(binary, text, base):
    """runs a spec, with its summary in BASE.json; raises on an exit code that means failure"""
    with open(base + ".toml", "w") as file:
        file.write(text)
    code, said = run([binary, "run", base + ".toml", "--summary", base + ".json"])
    if code not in GOOD_EXITS:
        raise RuntimeError(f"exit {code}: {said.strip()[-300:]}")
    return code


def each(function, items, jobs):
    """(item, result or exception) of each item, in order, JOBS at a time"""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [(item, pool.submit(function, item)) for item in items]
        for item, future in futures:
            yield item, future.exception() or future.result()


class Known:
    """The known differences: a TOML file of classes, each with a reason and with lines `CAPTURE FIELD VALUE`.

    What is found must be exactly what is listed: a difference without a line is a fault, and so is a line without a difference.
    """

    def __init__(self, path, concerns=lambda line: True):
        """the lines that concern this run"""
        self.path = path
        self.classes = {}
        with open(path, "rb") as file:
            for name, entry in tomllib.load(file).items():
                if not entry.get("reason"):
                    sys.exit(f"{path}: class {name} has no reason")
                for line in entry["differences"]:
                    if line in self.classes:
                        sys.exit(f"{path}: twice: {line}")
                    if concerns(line):
                        self.classes[line] = name
        self.left = set(self.classes)

    def judge(self, lines, show=()):
        """prints what is not listed, among the found LINES of one capture, with its details; the number of them"""
        unknown = [line for line in lines if line not in self.classes]
        self.left.difference_update(lines)
        for line in unknown:
            print(f"UNEXPLAINED {line}")
        if unknown:
            for detail in show:
                print(f"    {detail}")
        return len(unknown)

    def judge_all(self, compare, captures, jobs):
        """(what is equal, how many differences are not listed, how many captures failed) of COMPARE over captures, which gives the
        lines of one, their details, and what is equal"""
        same, unknown, failed = collections.Counter(), 0, 0
        for capture, result in each(compare, captures, jobs):
            if isinstance(result, Exception):
                failed += 1
                print(f"FAILED {capture}: {result!r}")
                continue
            lines, details, equal = result
            same += equal
            unknown += self.judge([f"{capture} {line}" for line in lines], details)
        return same, unknown, failed

    def close(self, unknown, what):
        """the summary and the exit code"""
        for line in sorted(self.left):
            print(f"STALE {line} (class {self.classes[line]}): it is listed and did not occur")
        explained = len(self.classes) - len(self.left)
        print(f"{what}: {explained} known differences, {unknown} unexplained, {len(self.left)} stale in {os.path.basename(self.path)}")
        return 1 if unknown or self.left else 0
