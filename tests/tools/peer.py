"""What nfstream.py and cicflowmeter.py share: rows of another tool, rows of a preset, and a table of what is equal.

The other tool runs in a Python environment that has it; nothing is installed here. Its rows are kept, so that it runs once only.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

import kit


# A process for each capture, of one that has the tool loaded; CODE defines `rows(capture, scratch)`.
HARNESS = """
import json, os, signal, sys

{code}

for line in sys.stdin:
    capture, out = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        signal.alarm(600)
        status = 1
        try:
            found = [json.dumps(row) + "\\n" for row in rows(capture, out + ".scratch")]
            with open(out + ".part", "w") as file:
                file.writelines(found)
            os.rename(out + ".part", out)
            status = 0
        except BaseException as error:
            with open(out + ".refused", "w") as file:
                file.write(repr(error))
        os._exit(status)
    os.waitpid(child, 0)
    if not os.path.exists(out) and not os.path.exists(out + ".refused"):
        with open(out + ".refused", "w") as file:
            file.write("it died")
"""


def place(capture, folder):
    return os.path.join(folder, os.path.basename(capture) + ".jsonl")


def make(python, code, captures, folder):
    """runs the other tool on the captures that it has not seen"""
    wanted = [(capture, place(capture, folder)) for capture in captures]
    wanted = [(capture, out) for capture, out in wanted if not os.path.exists(out) and not os.path.exists(out + ".refused")]
    lines = "".join(f"{capture}\t{out}\n" for capture, out in wanted)
    # not from here, where a script has the name of the tool
    subprocess.run([python, "-B", "-c", HARNESS.format(code=code)], cwd=folder, input=lines, text=True, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})


def theirs(capture, folder):
    """its rows of a capture; None if it refused the capture"""
    out = place(capture, folder)
    if not os.path.exists(out):
        return None
    with open(out) as file:
        return [json.loads(line) for line in file]


def ours(binary, preset, capture, folder, more=""):
    """our rows of a capture by a preset, with MORE settings"""
    base = os.path.join(folder, os.path.basename(capture) + ".ours")
    path = base + ".jsonl"
    if os.path.exists(path):
        os.remove(path)
    kit.run_spec(binary, f"""spec = 1
extends = "{preset}"
[sources]
path = '{capture}'
[sinks.out]
path = '{path}'
{more}
""", base)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def same(mine, other):
    """whether two values are equal; floats to 1e-9 of the larger, or 1e-6"""
    if isinstance(mine, (int, float)) and isinstance(other, (int, float)):
        return abs(mine - other) <= max(1e-6, 1e-9 * max(abs(mine), abs(other)))
    return mine == other


class Table:
    """how many values of each column are equal, and how many are not"""

    def __init__(self):
        self.equal, self.different = collections.Counter(), collections.Counter()

    def add(self, equal, different):
        self.equal.update(equal)
        self.different.update(different)

    def show(self, why=None):
        """prints it; WHY gives the reason of a column that differs"""
        width = max((len(name) for name in {*self.equal, *self.different}), default=0)
        print(f"{'column':{width}}  {'equal':>8}  {'different':>9}")
        for name in dict.fromkeys([*self.equal, *self.different]):
            reason = why(name) if why and self.different[name] else ""
            print(f"{name:{width}}  {self.equal[name]:8}  {self.different[name]:9}  {reason}".rstrip())


def beside(name, known, code, compare, argv, why=None):
    """The whole comparison with a tool: ARGV are ours, its interpreter, and perhaps where its rows are kept and the standard trace.
    COMPARE(binary, capture, folder) gives (lines, details, equal, different). The exit code."""
    binary, python, folder, trace = (*argv, None, None)[:4]
    binary = os.path.abspath(binary)
    known = kit.Known(known, lambda line: trace or not line.startswith("TRACE "))
    table, unknown, failed, compared = Table(), 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.abspath(folder or scratch)
        os.makedirs(folder, exist_ok=True)
        captures = kit.captures() + ([os.path.abspath(trace)] if trace else [])
        make(python, code, [kit.capture_path(capture) for capture in captures], folder)
        for capture, result in kit.each(lambda one: compare(binary, one, folder), captures, 2):
            if isinstance(result, Exception):
                failed += 1
                print(f"FAILED {capture}: {result!r}")
                continue
            lines, details, equal, different = result
            compared += 1
            table.add(equal, different)
            unknown += known.judge([f"{'TRACE' if os.path.isabs(capture) else capture} {line}" for line in lines], details)
    table.show(why)
    code = known.close(unknown, f"{name}: {compared} captures, {failed} failed")
    return 1 if failed else code


def start(doc, run):
    """runs the program, or says how it is called"""
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(doc)
    sys.exit(run(sys.argv[1:]))
