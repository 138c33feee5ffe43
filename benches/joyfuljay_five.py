"""JoyfulJay with the reader dpkt and exactly the groups that jayflow has: a process of its own for benches/run.py.

    joyfuljay_five.py CAPTURE OUT.csv

Prints its CPU seconds from the first packet to the last row: start-up and imports, two seconds of a short trace, are left out in
its favour.
"""
import json
import sys
import time
from importlib.metadata import version

import joyfuljay
from joyfuljay.capture import DpktBackend

begin = time.process_time()
config = joyfuljay.Config(features=["flow_meta", "timing", "size", "tcp", "entropy"])
rows = joyfuljay.Pipeline(config, backend=DpktBackend(store_raw_payload=True)).process_pcap(sys.argv[1])
rows.to_csv(sys.argv[2], index=False)
cpu = time.process_time() - begin
print("RESULT " + json.dumps({"flows": rows.shape[0], "columns": rows.shape[1], "cpu_s": cpu, "version": version("joyfuljay")}))
