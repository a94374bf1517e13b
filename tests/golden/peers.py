#!/usr/bin/env python3
"""What other projects' parsers expect of public Postfix lines, against `bounceline scan --events`.

    peers.py PROGRAM DIRECTORY REASONS [--list]

DIRECTORY holds X.log with X.expected.jsonl (a peer's own test expectation), X.peer-msimerson.jsonl (a peer's output) or
X.peer-pflogsumm.txt (its totals).  Of every line that says what became of a recipient, or that refuses one, an event must
be made, also where no peer read it.  Each line is scanned under a host name of its own, which tells whose event it is.

REASONS lists the differences that are right as they are, one a line: where, a tab, why.  A difference that is not
listed fails, and so does a reason that nothing needs any more.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

OUTCOME = {"sent": {"delivered", "relayed", "discarded"}, "deferred": {"deferred"}, "bounced": {"bounced", "dropped"},
           "SOFTBOUNCE": {"deferred"}, "expired": {"expired"}}
RESULT = re.compile(r": to=.*? status=(sent|deferred|bounced|SOFTBOUNCE)\b")
REFUSAL = re.compile(r"\b(?:[0-9A-Za-z]+|NOQUEUE): (?:milter-|proxy-)?reject: |\]: proxy-reject: ")
HEAD = re.compile(r"^((?:<\d+>)?(?:\w{3} +\d+ \d\d:\d\d:\d\d|\d{4}-\S+)) (\S+) (.*)$", re.S)


class Peers:
    def __init__(self, program):
        self.program = program
        self.compared = 0
        self.differences = {}

    def scan(self, lines):
        """Line number -> its events, for whole syslog lines."""
        with tempfile.NamedTemporaryFile("w", suffix=".log", encoding="utf-8", errors="surrogateescape") as f:
            for i, line in enumerate(lines):
                f.write(HEAD.sub(lambda m, i=i: f"{m.group(1)} l{i}.x {m.group(3)}", line) + "\n")
            f.flush()
            done = subprocess.run([self.program, "scan", "--events", f.name], stdout=subprocess.PIPE, check=True)
        events = {}
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            event = json.loads(line)
            events.setdefault(int(event["host"][1:-2]), []).append(event)
        return events

    def equal(self, where, what, mine, theirs):
        self.compared += 1
        if mine != theirs:
            self.differences[f"{where} {what}"] = f"{mine!r}, the peer says {theirs!r}"

    def every_result(self, name, lines, events):
        for i, line in enumerate(lines):
            result, refusal = RESULT.search(line), REFUSAL.search(line)
            mine = [e["outcome"] for e in events.get(i, [])]
            if result:
                self.equal(f"{name}:{i + 1}", "outcome", bool(set(mine) & OUTCOME[result.group(1)]), True)
            elif refusal:
                self.equal(f"{name}:{i + 1}", "refused", "rejected" in mine, True)


def read_lines(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        return f.read().split("\n")[:-1]


def rows(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def grok(peers, directory):
    """Bodies without a head; the name of the pattern is that of the agent."""
    cases = rows(f"{directory}/postfix-grok-patterns.expected.jsonl")
    lines = [f"Nov 22 05:03:37 h postfix/{re.sub('[^a-z]', '', c['case'].split('_')[0])}[1]: {c['data']}" for c in cases]
    events = peers.scan(lines)
    peers.every_result("grok", lines, events)
    for i, case in enumerate(cases):
        want, found = case["results"], events.get(i, [])
        if not found:
            continue
        event, where = found[0], f"grok:{case['case']}"
        if "postfix_queueid" in want and want["postfix_queueid"] != "NOQUEUE":
            peers.equal(where, "queue id", event.get("queue_id"), want["postfix_queueid"])
        if "postfix_status" in want:
            peers.equal(where, "status", event["outcome"] in OUTCOME.get(want["postfix_status"], ()), True)
        if "postfix_status_code" in want and event["outcome"] == "rejected":
            peers.equal(where, "code", event.get("code"), int(want["postfix_status_code"]))
        if "postfix_status_code_enhanced" in want and event["outcome"] == "rejected":
            peers.equal(where, "enhanced", event.get("enhanced"), want["postfix_status_code_enhanced"])
        if "postfix_client_ip" in want and event["outcome"] == "rejected":
            peers.equal(where, "client", want["postfix_client_ip"] in event.get("client", ""), True)
        pairs = dict(re.findall(r"(\w+)=<([^>]*)>", want.get("postfix_keyvalue_data", "")))
        for key, mine in (("to", "recipient"), ("orig_to", "orig_recipient"), ("from", "sender")):
            if pairs.get(key):
                peers.equal(where, key, event.get(mine), pairs[key])


def fail2ban(peers, directory):
    """Who would be banned.  Only refusals are this program's matter."""
    cases = rows(f"{directory}/fail2ban-postfix.expected.jsonl")
    events = peers.scan([c["line"] for c in cases])
    for i, case in enumerate(cases):
        for event in events.get(i, []):
            if case["fail2ban"].get("host"):
                peers.equal(f"fail2ban:{i + 1}", "client", case["fail2ban"]["host"] in event.get("client", ""), True)


def crowdsec(peers, name, directory):
    lines = read_lines(f"{directory}/{name}.log")
    events = peers.scan(lines)
    for case in rows(f"{directory}/{name}.expected.jsonl"):
        want = next((v for k, v in case.items() if k.endswith("/postfix-logs")), None)
        i = next((i for i, line in enumerate(lines) if want and want.get("Parsed.message", "?") in line), None)
        if i is None or not events.get(i) or "Parsed.smtp_basic_status_code" not in want:
            continue
        event, where = events[i][0], f"{name}:{i + 1}"
        peers.equal(where, "code", event.get("code"), int(want["Parsed.smtp_basic_status_code"]))
        peers.equal(where, "enhanced", event.get("enhanced"), want.get("Parsed.smtp_enhanced_status_code"))
        peers.equal(where, "client", event.get("client"),
                    f"{want['Parsed.remote_host']}[{want['Parsed.remote_addr']}]")


def msimerson(peers, name, directory):
    events = peers.scan(read_lines(f"{directory}/{name}.log"))
    for want in rows(f"{directory}/{name}.peer-msimerson.jsonl"):
        if "status" not in want or "to" not in want:
            continue
        found, where = events.get(want["n"] - 1, []), f"{name}:{want['n']}"
        peers.equal(where, "status", bool(found) and found[0]["outcome"] in OUTCOME.get(want["status"].split()[0], ()),
                    True)
        if not found:
            continue
        event = found[0]
        peers.equal(where, "to", event["recipient"], want["to"])
        peers.equal(where, "queue id", event["queue_id"], want["qid"])
        if "dsn" in want and "enhanced" in event:
            peers.equal(where, "dsn", event["enhanced"], want["dsn"])
        if "[" in want.get("relay", ""):
            peers.equal(where, "relay", want["relay"].startswith(event.get("relay_host", "")), True)
        if "delay" in want:
            peers.equal(where, "delay", event.get("delay_s"), float(want["delay"]))


def pflogsumm(peers, name, directory):
    """Totals: it counts a message that was handed to an alias as forwarded, and refusals by a filter apart."""
    done = subprocess.run([peers.program, "scan", "--json", f"{directory}/{name}.log"], stdout=subprocess.PIPE, check=True)
    mine = json.loads(done.stdout)["outcomes"]
    with open(f"{directory}/{name}.peer-pflogsumm.txt", encoding="utf-8") as f:
        text = f.read()
    theirs = {word: int(n) for n, word in re.findall(r"^ +(\d+) +(delivered|bounced|rejected|forwarded)", text, re.M)}
    deferrals = re.search(r"\((\d+) +deferrals\)", text)
    theirs["deferred"] = int(deferrals.group(1)) if deferrals else 0
    peers.equal(f"pflogsumm:{name}", "delivered", mine.get("delivered", 0) + mine.get("relayed", 0) + mine.get("discarded", 0),
                theirs["delivered"] + theirs["forwarded"])
    for word in ("bounced", "deferred", "rejected"):
        peers.equal(f"pflogsumm:{name}", word, mine.get(word, 0), theirs[word])


def load_reasons(path):
    with open(path, encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("\t", 1) for line in f if line.strip() and not line.startswith("#"))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("directory")
    args.add_argument("reasons")
    args.add_argument("--list", action="store_true", help="the differences that have a reason, too")
    options = args.parse_args()
    peers, directory = Peers(options.program), options.directory
    for path in sorted(glob.glob(f"{directory}/*.log")):
        name = os.path.basename(path)[:-len(".log")]
        if re.search(r"exim|sendmail|opensmtpd|grok", name):
            continue
        lines = read_lines(path)
        peers.every_result(name, lines, peers.scan(lines))
        if os.path.exists(f"{directory}/{name}.peer-msimerson.jsonl"):
            msimerson(peers, name, directory)
        if os.path.exists(f"{directory}/{name}.peer-pflogsumm.txt"):
            pflogsumm(peers, name, directory)
        if name.startswith("crowdsec-post") and os.path.exists(f"{directory}/{name}.expected.jsonl"):
            crowdsec(peers, name, directory)
    grok(peers, directory)
    fail2ban(peers, directory)
    reasons = load_reasons(options.reasons)
    unexplained = [d for d in peers.differences if d not in reasons]
    stale = [r for r in reasons if r not in peers.differences]
    print(f"{peers.compared} values compared, {len(peers.differences)} differ: {len(peers.differences) - len(unexplained)} "
          f"with a reason, {len(unexplained)} without; {len(stale)} reasons that nothing needs")
    for where in sorted(peers.differences) if options.list else sorted(unexplained):
        print(f"  {where}: {peers.differences[where]}" + (f" ({reasons[where]})" if where in reasons else ""))
    for where in stale:
        print(f"  not needed: {where}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
