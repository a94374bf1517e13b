#!/usr/bin/env python3
"""Kills `run --once` at random until it has come to its end; then Redis must hold what one run would have left there.

    crash_once.py BUILD SOCKET [--seed N] [--forget]

Rotated and packed Postfix files, then an Exim log, both invented.  Compared are all counters, field by field, and all
addresses; what may differ by where a batch was closed is left out: an address's version, the feed, the latest failures.

--forget is the negative control: the counters' positions go back to where they were at an earlier kill, and both
comparisons must fail.
"""
import argparse
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LINES, KILLS = 150000, 5  # all of it is read back for a join that begins cold
LEFT_OUT = (":pos", ":f", ":recent", ":old", "bl:meta", "bl:nodes")
# Every key with all that is in it, as text.
DUMP = """
local all = {}
for _, key in ipairs(redis.call('KEYS', 'bl:*')) do
    local kind, parts, step = redis.call('TYPE', key).ok, nil, 2
    if kind == 'hash' then parts = redis.call('HGETALL', key)
    elseif kind == 'zset' then parts = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    else parts, step = {redis.call(kind == 'string' and 'GET' or 'XLEN', key)}, 1 end
    local fields = {}
    for i = 1, #parts, step do fields[#fields + 1] = parts[i] .. (step == 2 and '=' .. parts[i + 1] or '') end
    table.sort(fields)
    all[#all + 1] = key .. '\\31' .. table.concat(fields, '\\31')
end
return all"""


class Harness:
    def __init__(self, build, socket, folder):
        self.program, self.corpus, self.folder = build + "/bounceline", build + "/bench/corpus", folder
        self.socket = socket

    def redis(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True)
        return done.stdout

    def invent(self, name, *options):
        with open(f"{self.folder}/{name}", "wb") as out:
            subprocess.check_call([self.corpus, *options, "--rate", "200", "--end", "now"], stdout=out)

    def start(self, logs, state):
        return subprocess.Popen([self.program, "run", "--once", "--redis", "unix:" + self.socket, "--node", "mx", "-q",
                                 "--state", state, *(f"{self.folder}/{log}" for log in logs)],
                                stdout=subprocess.DEVNULL)

    def contents(self):
        found = {}
        for line in self.redis("EVAL", DUMP, "0").split("\n"):
            key, *fields = line.split("\x1f")
            if not key or key.endswith(LEFT_OUT):
                continue
            if key.endswith("}:t"):  # by generation, whose names are drawn
                fields = sorted(field.split("|", 1)[-1] for field in fields)
            if "}:a:" in key:
                fields = ["\t".join(part for i, part in enumerate(fields[0].split("\t")) if i != 1)]
            found[key] = fields
        return found

    def bytes_counted(self):
        parts = self.redis("HGETALL", "bl:{n:mx}:t").split("\n")
        return sum(int(value) for name, value in zip(parts[::2], parts[1::2]) if name.endswith("|bytes"))

    def run(self, logs, longest_s=None, forget=False):
        """Starts until one comes to its end; how many were killed amid commits.  Without a time none is killed."""
        state = tempfile.mkdtemp(dir=self.folder)
        self.redis("FLUSHALL")
        amid, bytes_then = 0, 0
        while True:
            process = self.start(logs, state)
            try:
                process.wait(random.uniform(longest_s / 3, longest_s) if longest_s and amid < KILLS else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                bytes_now = self.bytes_counted()
                amid += bytes_now > bytes_then
                bytes_then = bytes_now
                if forget and amid == 1:
                    self.redis("COPY", "bl:{n:mx}:pos", "then", "REPLACE")
                if forget and amid == 2:
                    self.redis("COPY", "then", "bl:{n:mx}:pos", "REPLACE")
                continue
            if process.returncode != 0:
                sys.exit(f"run --once ended with {process.returncode}")
            return amid


def differences(want, got):
    return [key for key in sorted(want.keys() | got.keys()) if want.get(key) != got.get(key)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("socket", help="of a redis-server that is emptied")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forget", action="store_true")
    options = parser.parse_args()
    random.seed(options.seed)
    folder = tempfile.mkdtemp(prefix="bl-once-")
    harness = Harness(options.build, options.socket, folder)
    differed = 0
    try:
        harness.invent("whole.log", "mixed", "--lines", str(LINES), "--seed", str(options.seed), "--stamps", "rfc3339")
        harness.invent("exim.log", "exim", "--lines", str(LINES), "--seed", str(options.seed))
        with open(folder + "/whole.log", "rb") as whole:
            lines = whole.readlines()
        with gzip.open(folder + "/mail.log.2.gz", "wb") as out:
            out.writelines(lines[:LINES // 3])
        for i, name in enumerate(("mail.log.1", "mail.log"), 1):
            with open(f"{folder}/{name}", "wb") as out:
                out.writelines(lines[LINES // 3 * i:LINES // 3 * (i + 1)])
        for age_s, name in ((7200, "mail.log.2.gz"), (3600, "mail.log.1")):
            os.utime(f"{folder}/{name}", (time.time() - age_s,) * 2)
        for logs in ["mail.log", "mail.log.1", "mail.log.2.gz"], ["exim.log"]:
            begin = time.monotonic()
            harness.run(logs)
            longest_s = time.monotonic() - begin
            want = harness.contents()
            amid = 0
            for _ in range(60):
                amid = harness.run(logs, longest_s, options.forget)
                if amid >= 2:
                    break
            got = harness.contents()
            differ = differences(want, got)
            print(f"{logs[0]}: {amid} times killed amid commits, {len(want)} keys, {len(differ)} differ", flush=True)
            for key in differ[:5]:
                before, after = set(want.get(key, [])), set(got.get(key, []))
                print(f"  {key}: lost {sorted(before - after)[:8]}, gained {sorted(after - before)[:8]}")
            if amid < 2 or len(want) < 1000:
                sys.exit("nothing was tried")
            differed += bool(differ)
    finally:
        shutil.rmtree(folder)
    sys.exit(differed != 2 * options.forget)


main()
