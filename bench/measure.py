#!/usr/bin/env python3
"""The measurements behind scan_ratio.sh, run_rate.sh, pflogsumm.sh and profile.sh; each prints what it measured.

Ratios, not times, are what travels between machines: subject and reference alternate in one run over one
corpus in the page cache, the best sample of each counts.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "bench")
PROGRAM = os.path.join(BUILD, "bounceline")
CORPUS = os.path.join(BUILD, "bench", "corpus")
RESULTS = os.path.join(ROOT, "bench", "results.tsv")


def say(text=""):
    print(text, flush=True)


def run(command, **more):
    """Runs to the end; (seconds, rusage of it and what it waited for)."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"measure: {' '.join(command)} ended with {process.returncode}")
    return seconds, usage


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as f:
        cache = dict(re.findall(r"^(\w+):\w+=(.*)$", f.read(), re.M))
    version = subprocess.run([cache["CMAKE_C_COMPILER"], "--version"], stdout=subprocess.PIPE, check=True)
    return (f"{model.group(1) if model else 'unknown CPU'}, {os.cpu_count()} cores; "
            f"{version.stdout.decode().splitlines()[0]}; {cache.get('CMAKE_C_FLAGS_RELEASE', '')}")


def make_corpus(kind, lines, seed, *more, keep=True):
    """(path, truth, sha256 of the bytes); made once per seed and size."""
    folder = os.path.join(BUILD, "bench", "made")
    os.makedirs(folder, exist_ok=True)
    name = "-".join([kind, str(lines), str(seed)] + [m.lstrip("-") for m in more])
    log, truth = os.path.join(folder, name + ".log"), os.path.join(folder, name + ".truth")
    if not keep or not os.path.exists(truth) or os.path.getmtime(truth) < os.path.getmtime(CORPUS):
        digest = hashlib.sha256()
        with open(log, "wb") as f:
            made = subprocess.Popen([CORPUS, kind, "--lines", str(lines), "--seed", str(seed), "--truth",
                                     truth + ".new", *more], stdout=subprocess.PIPE)
            while chunk := made.stdout.read(1 << 20):
                digest.update(chunk)
                f.write(chunk)
            f.flush()
            os.fsync(f.fileno())  # or the system writes it while something is measured
        if made.wait() != 0:
            sys.exit("measure: cannot make the corpus")
        with open(truth + ".new", encoding="utf-8") as f:
            known = json.load(f)
        known["sha256"] = digest.hexdigest()
        with open(truth + ".new", "w", encoding="utf-8") as f:
            json.dump(known, f)
        os.rename(truth + ".new", truth)
    with open(truth, encoding="utf-8") as f:
        known = json.load(f)
    return log, known


def read_through(path):
    """Into the page cache."""
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 22):
            pass


def record(name, **values):
    new = not os.path.exists(RESULTS)
    with open(RESULTS, "a", encoding="utf-8") as f:
        if new:
            f.write("# date, commit, what, figures, machine: appended by bench/*.sh --record\n")
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, check=False)
        figures = " ".join(f"{k}={v}" for k, v in values.items())
        f.write("\t".join([time.strftime("%Y-%m-%d"), commit.stdout.decode().strip(), name, figures, machine()]) + "\n")


def describe(known):
    say(f"corpus: {known['lines']} lines, {known['bytes']} bytes, sha256 {known['sha256'][:16]}")
    say(f"machine: {machine()}")


# --- scan against wc -l ---

def counters_of(command):
    """Instructions and branch misses in user mode, by perf; None where there are no counters."""
    if not shutil.which("perf"):
        return None
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u,branch-misses:u", *command],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    found = dict((m[1], int(m[0])) for m in re.findall(r"^(\d+),[^,]*,(instructions|branch-misses)", done.stderr.decode(), re.M))
    return (found["instructions"], found["branch-misses"]) if len(found) == 2 else None


def callgrind_instructions(command, out="/dev/null"):
    if not shutil.which("valgrind"):
        return None
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr.decode("utf-8", "replace"))
    return int(found.group(1)) if found else None


def instructions_per_line(scan, log, known):
    counted = counters_of(scan + [log])
    if counted:
        say(f"instructions per line: {counted[0] / known['lines']:.0f}, "
            f"branch misses per line: {counted[1] / known['lines']:.2f} (perf)")
        return counted[0] / known["lines"]
    with tempfile.TemporaryDirectory() as folder:
        part, empty, n = f"{folder}/part.log", f"{folder}/empty.log", 100000
        with open(log, "rb") as source, open(part, "wb") as f:
            for _ in range(n):
                f.write(source.readline())
        open(empty, "wb").close()
        whole, start = callgrind_instructions(scan + [part]), callgrind_instructions(scan + [empty])
    if not whole or not start:
        say("instructions per line: neither perf counters nor valgrind here")
        return None
    say(f"instructions per line: {(whole - start) / n:.0f} (callgrind, first {n} lines, start-up taken off)")
    return (whole - start) / n


def check_scan(log, known):
    """What it says must be right, or its speed means nothing."""
    done = subprocess.run([PROGRAM, "scan", "--json", log], stdout=subprocess.PIPE, check=True)
    said = json.loads(done.stdout)
    wrong = [k for k in set(known["outcomes"]) | set(said["outcomes"])
             if known["outcomes"].get(k, 0) != said["outcomes"].get(k, 0)]
    if said["lines"] != known["lines"] or wrong:
        sys.exit(f"measure: scan says {said['lines']} lines, {said['outcomes']}; the truth is {known['outcomes']}")
    say(f"outcomes equal to the truth: {known['outcomes']}; unparsed {said.get('unparsed', 0)}")


def measure_scan(args):
    args.add_argument("--lines", type=int, default=10000000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--kind", default="mixed", choices=("mixed", "deliveries", "failures", "exim"))
    args.add_argument("--stamps", default="rfc3164", choices=("rfc3164", "rfc3339"))
    args.add_argument("--runs", type=int, default=5)
    args.add_argument("--record", action="store_true", help="append to bench/results.tsv")
    o = args.parse_args(sys.argv[2:])
    log, known = make_corpus(o.kind, o.lines, o.seed, "--stamps", o.stamps)
    describe(known)
    read_through(log)
    check_scan(log, known)
    commands = {"wc -l": ["wc", "-l", log], "scan -j1": [PROGRAM, "scan", "-j1", log],
                "scan -j2": [PROGRAM, "scan", "-j2", log]}
    best, cpu = {k: float("inf") for k in commands}, {k: float("inf") for k in commands}
    peak = {k: 0 for k in commands}
    for _ in range(o.runs):
        for name, command in commands.items():
            seconds, usage = run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            best[name] = min(best[name], seconds)
            cpu[name] = min(cpu[name], usage.ru_utime + usage.ru_stime)
            peak[name] = max(peak[name], usage.ru_maxrss)
    for name in commands:
        say(f"{name:9} {o.lines / best[name] / 1e6:8.2f} M lines/s  {known['bytes'] / best[name] / 1e9:6.2f} GB/s"
            f"  peak {peak[name] / 1024:6.1f} MiB")
    ratio, twice = best["wc -l"] / best["scan -j1"], best["scan -j1"] / best["scan -j2"]
    say(f"scan -j1 / wc -l: {ratio:.3f}   scan -j2 / scan -j1: {twice:.2f}   (best of {o.runs})")
    say(f"the same in CPU time, for machines where others work: {cpu['wc -l'] / cpu['scan -j1']:.3f}; "
        f"scan -j1 takes {cpu['scan -j1'] / known['lines'] * 1e9:.0f} ns a line, wc -l {cpu['wc -l'] / known['lines'] * 1e9:.0f}")
    per_line = instructions_per_line([PROGRAM, "scan", "-j1"], log, known)
    if o.record:
        record(f"scan {o.kind} {o.stamps}", ratio=f"{ratio:.3f}", j2=f"{twice:.2f}",
               mlines=f"{o.lines / best['scan -j1'] / 1e6:.2f}", peak_mib=f"{peak['scan -j1'] / 1024:.1f}",
               instructions=f"{per_line:.0f}" if per_line else "-", corpus=known["sha256"][:16])


def pflogsumm_says(log):
    """Its grand totals."""
    done = subprocess.run(["pflogsumm", log], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    rows = re.findall(r"^ +(\d+[kmg]?) +(delivered|deferred|bounced|rejected)(?: +\((\d+[kmg]?) +deferrals\))?",
                      done.stdout.decode("utf-8", "replace"), re.M)
    return {("deferrals" if name == "deferred" else name): deferrals or count for count, name, deferrals in rows}


def measure_pflogsumm(args):
    args.add_argument("--lines", type=int, default=300000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--runs", type=int, default=2)
    o = args.parse_args(sys.argv[2:])
    if not shutil.which("pflogsumm"):
        sys.exit("measure: needs pflogsumm (Debian package pflogsumm)")
    log, known = make_corpus("mixed", o.lines, o.seed, "--retry-lines", "4000")
    describe(known)
    read_through(log)
    check_scan(log, known)
    say(f"pflogsumm says: {pflogsumm_says(log)}")
    count = "/status=/ { match($0, /status=[a-z]+/); n[substr($0, RSTART, RLENGTH)]++ } END { for (s in n) print s, n[s] }"
    commands = {"scan": [PROGRAM, "scan", log], "pflogsumm": ["pflogsumm", log], "awk, count status=": ["awk", count, log],
                "grep -c status=bounced": ["grep", "-c", "status=bounced", log], "wc -l": ["wc", "-l", log]}
    best = {k: float("inf") for k in commands}
    for _ in range(o.runs):
        for name, command in commands.items():
            _, usage = run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            best[name] = min(best[name], usage.ru_utime + usage.ru_stime)
    for name in commands:  # all of them use one thread; time of the CPU does not see what else runs
        say(f"{name:24} {o.lines / best[name] / 1e6:8.3f} M lines per CPU second"
            + (f"   scan takes 1/{best[name] / best['scan']:.1f} of its time" if best[name] > best["scan"] else ""))


# --- run into Redis ---

class Redis:
    """A server with the settings of the private one, whose CPU time can be read."""

    def __init__(self, folder):
        self.path = f"{folder}/redis.sock"
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", folder, "--save", "",
             "--appendonly", "yes", "--auto-aof-rewrite-min-size", "256mb", "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        for _ in range(200):
            if os.path.exists(self.path):
                return
            time.sleep(0.05)
        sys.exit("measure: redis-server does not start")

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def info(self, name):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(b"INFO\r\n")
            text = s.recv(1 << 20).decode()
        found = re.search(rf"^{name}:(.*?)\r$", text, re.M)
        return found.group(1) if found else "?"

    def end(self):
        self.process.terminate()
        self.process.wait()


def compare_stats(stats, known):
    wrong = [f"{k}: {stats['outcomes'].get(k, 0)} in Redis, {known['outcomes'].get(k, 0)} in the corpus"
             for k in sorted(set(known["outcomes"]) | {k for k, v in stats["outcomes"].items() if v})
             if stats["outcomes"].get(k, 0) != known["outcomes"].get(k, 0)]
    if stats["lines"] != known["lines"]:
        wrong.append(f"lines: {stats['lines']} in Redis, {known['lines']} in the corpus")
    seen = equal = 0
    for name, counts in known["domains"].items():
        if name in stats["domains"]:
            seen += 1
            got = {k: v for k, v in stats["domains"][name].items() if v}
            equal += got == counts
    return wrong, seen, equal


def run_once(kind, rate, o):
    log, known = make_corpus(kind, o.lines, o.seed, "--stamps", "rfc3339", "--rate", str(rate), "--end", "now", keep=False)
    read_through(log)
    with tempfile.TemporaryDirectory(prefix="bl-rate-") as folder:
        redis = None if o.private else Redis(folder)
        where = ["--state", f"{folder}/state"] + ([] if o.private else ["--redis", f"unix:{redis.path}"])
        seconds, usage = run([PROGRAM, "run", "--once", *where, log], stdout=subprocess.DEVNULL)
        cpu = redis.cpu_s() if redis else 0
        stats = json.loads(subprocess.run([PROGRAM, "stats", "--json", *where], stdout=subprocess.PIPE, check=True).stdout)
        wrong, seen, equal = compare_stats(stats, known)
        own = usage.ru_utime + usage.ru_stime
        say(f"{kind}, {rate} lines/s of event time: {known['lines']} lines ({known['delivery_lines']} of deliveries) "
            f"in {seconds:.2f} s: {known['delivery_lines'] / seconds / 1e6:.3f} M delivery lines/s, "
            f"{known['lines'] / seconds / 1e6:.3f} M lines/s")
        say(f"    CPU: bounceline {own:.2f} s" + (f", redis {cpu:.2f} s: {cpu / (cpu + own):.0%} of both, "
            f"{cpu / seconds:.0%} of one core; redis memory {redis.info('used_memory_human')}, "
            f"peak of bounceline {usage.ru_maxrss / 1024:.0f} MiB" if redis else " with its private redis"))
        say(f"    counters {'exact' if not wrong else 'WRONG: ' + '; '.join(wrong)}; "
            f"{equal} of {seen} domains looked at equal; suppressed addresses: {stats.get('suppressed')}")
        if redis:
            redis.end()
        if o.record:
            record(f"run {kind} {rate}/s", mdeliveries=f"{known['delivery_lines'] / seconds / 1e6:.3f}",
                   redis_share=f"{cpu / (cpu + own):.2f}" if redis else "-", exact=not wrong)
    os.unlink(log)
    return not wrong


def measure_run(args):
    args.add_argument("--kind", action="append", choices=("mixed", "deliveries", "failures"))
    args.add_argument("--lines", type=int, default=4000000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--rate", type=int, action="append", help="lines per second of event time")
    args.add_argument("--private", action="store_true", help="the program's own private redis-server")
    args.add_argument("--record", action="store_true", help="append to bench/results.tsv")
    o = args.parse_args(sys.argv[2:])
    say(f"machine: {machine()}")
    exact = [run_once(kind, rate, o) for kind in o.kind or ("deliveries", "mixed", "failures")
             for rate in o.rate or (1000000, 5000)]
    return 0 if all(exact) else 1


# --- instructions per kind of line ---

KINDS = (("connect", r"[ \"]connect from "), ("disconnect", r"[ \"]disconnect from "), ("client", r": client="),
         ("message-id", r": message-id="), ("queued", r"\(queue active\)"), ("sent", r" status=sent "),
         ("deferred", r" status=deferred "), ("bounced", r" status=bounced "), ("removed", r": removed\b"))


HEAD = re.compile(r"^(\S+ +\S+ \S+|\S+T\S+) (\S+) ([^\[ ]+)\[(\d+)\]: (.*)\n$")


def in_envelope(envelope, line, number):
    """The generator's line as another syslog would have written it."""
    head = HEAD.match(line)
    if envelope == "file" or not head:
        return line
    _, host, tag, pid, body = head.groups()
    when = f"2026-11-22T05:{number // 60000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}042+00:00"
    if envelope == "journal":
        return json.dumps({"_UID": "0", "MESSAGE": body, "SYSLOG_IDENTIFIER": tag, "_HOSTNAME": host, "_PID": pid,
                           "__REALTIME_TIMESTAMP": str(1795323817000042 + number * 1000)}) + "\n"
    message = f"<22>1 {when} {host} {tag} {pid} - -  {body}"
    return message + "\n" if envelope == "rfc5424" else f"{len(message)} {message}"


EXIM_KINDS = (("arrival", r" <= "), ("sent", r" => "), ("deferred", r" == "), ("bounced", r" \*\* .*: SMTP"),
              ("expired", r" \*\* .*retry timeout"), ("completed", r" Completed$"))


def measure_profile(args):
    args.add_argument("--kind", default="mixed", choices=("mixed", "exim"))
    args.add_argument("--lines", type=int, default=200000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--stamps", default="rfc3164", choices=("rfc3164", "rfc3339"))
    args.add_argument("--envelope", default="file", choices=("file", "rfc5424", "counted", "journal"))
    args.add_argument("--program", default=PROGRAM, help="another build, to compare")
    args.add_argument("--functions", type=int, default=25, help="how many of the most expensive to list")
    o = args.parse_args(sys.argv[2:])
    if not shutil.which("valgrind"):
        sys.exit("measure: profile needs valgrind")
    log, known = make_corpus(o.kind, o.lines, o.seed, "--stamps", o.stamps, "--retry-lines", "2000")
    describe(known)
    scan = [o.program, "scan", "-j1"]
    with tempfile.TemporaryDirectory() as folder:
        with open(log, encoding="ascii") as f:
            lines = [in_envelope(o.envelope, line, i) for i, line in enumerate(f)]
        open(f"{folder}/none", "wb").close()
        start = callgrind_instructions(scan + [f"{folder}/none"])
        say(f"start-up: {start} instructions")
        for name, pattern in (*(EXIM_KINDS if o.kind == "exim" else KINDS), ("all", "")):
            part = [line for line in lines if re.search(pattern, line)]
            with open(f"{folder}/part", "w", encoding="ascii") as f:
                f.writelines(part)
            out = f"{folder}/out.{name}"
            spent = callgrind_instructions(scan + [f"{folder}/part"], out) - start
            size = sum(map(len, part))
            say(f"{name:11} {len(part):7} lines of {size / len(part):4.0f} bytes: {spent / len(part):7.0f} "
                f"instructions a line, {spent / size:5.1f} a byte")
        listing = subprocess.run(["callgrind_annotate", f"{folder}/out.all"], stdout=subprocess.PIPE, check=False)
        rows = [r for r in listing.stdout.decode("utf-8", "replace").splitlines() if re.match(r"\s*[\d,]+ \(", r)]
        say("most expensive functions of `all`:")
        for row in rows[:o.functions + 1]:
            say("  " + re.sub(r"\S*/(\S+:)", r"\1", row)[:110])
    return 0


def main():
    what = {"scan": measure_scan, "run": measure_run, "profile": measure_profile, "pflogsumm": measure_pflogsumm}
    if len(sys.argv) < 2 or sys.argv[1] not in what:
        sys.exit(f"usage: measure.py {'|'.join(what)} [options]")
    name = {"scan": "scan_ratio.sh", "run": "run_rate.sh", "profile": "profile.sh",
            "pflogsumm": "pflogsumm.sh"}[sys.argv[1]]
    return what[sys.argv[1]](argparse.ArgumentParser(prog=name))


if __name__ == "__main__":
    sys.exit(main())
