#!/usr/bin/env python3
"""Compares `bounceline scan --events` with what really happened, recipient by recipient, for every rendering.

    real_postfix.py PROGRAM DIRECTORY [--allow N] [--run RUN] [--list]

DIRECTORY holds logs of real Postfix runs, RUN-RENDERING.log or .raw, beside RUN.expected.jsonl and
RUN.refused.jsonl: what the scripted peers answered and what became of each recipient, and what Postfix itself
refused, known without the log.  A recipient is right, missing (the log speaks of it and no event does), or
wrong.  A rendering that ends before the run did is judged by the messages whose end it holds.  Of a right one the
last answer is compared too: reply code, enhanced code, text, and whether the category agrees with the meaning that
the peer's script gave to its reply; and the sender and the queue id that the client was told.
"""
import argparse
import collections
import glob
import os
import re
import sys

from real_truth import AGREES, MEANS, by_recipient, canonical, load, scan, with_instances

FIELDS = ("code", "enhanced", "text", "sender", "queue id", "category", "refused")
WHOLE = {"rfc3164", "journald-short", "postlogd"}  # hold a run's end
POSTLOGD = "P"  # the instance that wrote no syslog


def plain(text):
    """Bytes that a log shows in its own way (controls, the truth's \\xNN) as question marks."""
    return re.sub(r"[\x00-\x1f\x7f\ufffd]|\\x[0-9A-Fa-f]{2}|[^\x00-\x7f]", "?", text)


def queued_as(row):
    found = re.search(r"queued as ([0-9A-Za-z]+)", row.get("submit_reply") or "")
    return found.group(1) if found else None


class Rendering:
    def __init__(self, name, log, program):
        self.name, self.log = name, log
        self.events = scan(program, log)
        with open(log, encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.ended = set(re.findall(r'\b([0-9A-Za-z]{6,}): removed(?=\s|"|$)', self.text))
        self.direct, self.original = by_recipient(self.events)
        self.score = collections.Counter()
        self.differences = []

    def complain(self, who, what):
        self.differences.append(f"{self.name}: {who}: {what}")

    def field(self, name, right, who, what):
        self.score[name, "asked"] += 1
        self.score[name, "right"] += bool(right)
        if not right:
            self.complain(who, f"{name}: {what}")

    def covers(self, row, events):
        """Whether the log holds the end of this recipient's message."""
        if self.name in WHOLE:
            return True
        submitted = queued_as(row)
        if submitted:
            return submitted in self.ended
        # Handed in locally, or made by an alias: no queue id in the truth, so only its own events can tell.
        return bool(events) and events[-1]["queue_id"] in self.ended

    def judge(self, row):
        key = canonical(row["from"]), canonical(row["rcpt"])
        found = self.direct.get(key) or self.original.get(key) or []
        who = f"{row['from']} -> {row['rcpt']} [{row['inst']}, {row['kind']}, {row['basis']}]"
        if not self.covers(row, found):
            self.score["beyond"] += 1
        elif not found:
            self.score["missing"] += 1
            self.complain(who, f"{row['final']}, no event")
        elif found[-1]["outcome"] not in MEANS[row["final"]]:
            self.score["wrong"] += 1
            said = " ".join(e["outcome"] for e in found)
            self.complain(who, f"{row['final']}, events say {said}: {found[-1].get('reply', '')}")
        else:
            self.score["right"] += 1
            self.score[f"{row['final']} as {found[-1]['outcome']}"] += 1
            self.compare(row, found, who, key in self.direct)

    def compare(self, row, events, who, direct):
        self.field("sender", canonical(events[-1].get("sender")) == canonical(row["from"]) and "sender" in events[-1],
                   who, events[-1].get("sender"))
        if queued_as(row) and direct and row["kind"] == "submitted":
            self.field("queue id", queued_as(row) == events[-1]["queue_id"], who, events[-1]["queue_id"])
        if not row["attempts"]:
            return
        attempt = row["attempts"][-1]
        tried = events
        if row["final"] == "expired":  # the line that gives up has no answer of its own
            tried = [e for e in events if e["outcome"] == "deferred" and e.get("attempt", True)] or events
        event = tried[-1]
        if attempt["cls"] != "ok" and "category" in event:  # else another host took it
            self.field("category", event.get("category") in AGREES[attempt["cls"]], who,
                       f"{attempt['cls']} is not {event.get('category')}: {event.get('reply')}")
        if attempt.get("code") is None:
            return
        self.field("code", event.get("code") == attempt["code"], who,
                   f"{attempt['code']} is not {event.get('code')}: {event.get('reply')}")
        status = re.match(r"\d{3}[ -](\d\.\d{1,3}\.\d{1,3})(?![\d.])", attempt["reply"][-1])
        if status and status.group(1)[0] == str(attempt["code"])[0]:
            self.field("enhanced", event.get("enhanced") == status.group(1), who,
                       f"{status.group(1)} is not {event.get('enhanced')}: {event.get('reply')}")
        text, said = plain(" ".join(attempt["reply"])), plain(event.get("reply", ""))
        # Postfix cuts at 2,000 bytes, the relay at 1,024 with what stands before.
        self.field("text", text in said or (len(said) > 700 and text.startswith(said)), who, f"{text} / {said}")

    def judge_refused(self, row):
        """The client saw this answer; the log's line has sender, one of the recipients, and the answer."""
        answer = row["reply"][-1]
        rcpts = row["rcpt"] if isinstance(row["rcpt"], list) else [row["rcpt"]]
        for event in self.events:
            if event["outcome"] != "rejected" or event.get("code", int(answer[:3])) != int(answer[:3]):
                continue
            # `warning: Illegal address syntax ... in RCPT command` names no sender.
            nameless = "sender" not in event and answer.startswith("501 5.1.3")
            if not nameless and canonical(event.get("sender")) != canonical(row["from"]):
                continue
            if "recipient" in event and canonical(event["recipient"]) not in [canonical(r) for r in rcpts if r]:
                continue
            return event
        return None

    def refused(self, rows):
        for row in rows:
            if row["reply"][-1].startswith("552 5.3.4"):
                continue  # `warning: QID: queue file size limit exceeded` names nobody
            if row["reply"][-1].startswith("501") and (row["rcpt"] or row["from"]) not in self.text:
                continue  # not logged at all
            event = self.judge_refused(row)
            if event or self.name in WHOLE:
                self.field("refused", event, f"{row['from']} -> {row['rcpt']} {row['stage']}", row["reply"])

    def show(self):
        beyond = f", {self.score['beyond']} end beyond this log" if self.score["beyond"] else ""
        print(f"{self.name}: {self.score['right']} right, {self.score['missing']} missing, "
              f"{self.score['wrong']} wrong{beyond} ({len(self.events)} events)")
        print("    " + ", ".join(f"{f} {self.score[f, 'right']} of {self.score[f, 'asked']}" for f in FIELDS
                                 if self.score[f, "asked"]))


def runs_of(directory):
    """RUN -> its renderings; the longest RUN that fits counts."""
    names = sorted((os.path.basename(p)[:-len(".expected.jsonl")]
                    for p in glob.glob(f"{directory}/*postfix*.expected.jsonl")), key=len, reverse=True)
    runs = {name: [] for name in names}
    for path in sorted(glob.glob(f"{directory}/*.log") + glob.glob(f"{directory}/*.raw")):
        base = os.path.basename(path)
        run = next((n for n in names if base.startswith(n + "-")), None)
        if run:
            runs[run].append((re.sub(r"\.(log|raw)$", "", base[len(run) + 1:]), path))
    return runs


def rows_for(name, rows):
    return [r for r in rows if (r["inst"] == POSTLOGD) == (name == "postlogd")]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("directory")
    args.add_argument("--allow", type=int, default=0, metavar="N", help="recipients missing or wrong that are a success")
    args.add_argument("--run", help="this run only")
    args.add_argument("--list", action="store_true", help="every difference, not the first of each kind")
    options = args.parse_args()
    bad, differences = 0, []
    for run, renderings in sorted(runs_of(options.directory).items()):
        if options.run not in (None, run):
            continue
        truth = with_instances(load(f"{options.directory}/{run}.expected.jsonl"))
        refused = with_instances(load(f"{options.directory}/{run}.refused.jsonl"))
        print(run)
        for name, log in renderings:
            rendering = Rendering(name, log, options.program)
            for row in rows_for(name, truth):
                rendering.judge(row)
            rendering.refused(rows_for(name, refused))
            rendering.show()
            bad += rendering.score["missing"] + rendering.score["wrong"]
            differences += rendering.differences
    for line in differences if options.list else differences[:60]:
        print("  " + line[:400])
    return 1 if bad > options.allow else 0


if __name__ == "__main__":
    sys.exit(main())
