#!/usr/bin/env python3
"""Compares `bounceline scan --events` with what really happened, recipient by recipient.

    real_postfix.py PROGRAM DIRECTORY [--allow N]

DIRECTORY holds logs of a real Postfix and RUN.expected.jsonl: what the scripted peers answered and what
became of each recipient, known without the log.  A recipient is right, missing (the log speaks of it and
no event does), or wrong.  One rendering is a prefix of the events of the other; of the prefix only messages
whose end it holds are judged, and its events must be the first ones of the other.

Addresses are compared in one form: quotes and escapes of the local part resolved, case folded, the domain
as A-labels.
"""
import argparse
import collections
import json
import re
import subprocess
import sys

RUN = "real-postfix-3.7.11"
INSTANCES = {"A", "O"}  # of the run, those whose lines went to syslog
# What the truth calls it, and the outcomes that say the same.  An alias that was forwarded and an LMTP server on
# this host take mail, as the truth sees it; whether that counts as a delivery is for the program to say.
MEANS = {
    "sent": {"delivered", "relayed", "discarded"},
    "bounced": {"bounced", "dropped"},
    "expired": {"expired"},
    "deferred": {"deferred"},
}


def canonical(address):
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = domain, ""
    if len(local) > 1 and local[0] == '"' and local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    labels = []
    for label in domain.lower().split("."):
        try:
            labels.append(label if label.isascii() else label.encode("idna").decode())
        except UnicodeError:
            labels.append(label)
    return local.lower() + "@" + ".".join(labels)


def scan(program, log):
    done = subprocess.run([program, "scan", "--events", log], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"real_postfix: scan --events {log} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]


def load_truth(directory):
    with open(f"{directory}/{RUN}.expected.jsonl", encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    # Addresses made by an alias name no instance: theirs is that of the message they came from.
    by_sender = {r["from"]: r["inst"] for r in rows if r["inst"]}
    return [r for r in rows if (r["inst"] or by_sender.get(r["from"])) in INSTANCES]


def by_recipient(events):
    """(sender, recipient) -> its events in order; and the same by the address before an alias."""
    direct, original = collections.defaultdict(list), collections.defaultdict(list)
    for event in events:
        if event["outcome"] == "rejected":
            continue
        sender = canonical(event.get("sender"))
        direct[sender, canonical(event["recipient"])].append(event)
        if "orig_recipient" in event:
            original[sender, canonical(event["orig_recipient"])].append(event)
    return direct, original


def queue_ids_that_end(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        return set(re.findall(r"qmgr\[\d+\]: ([0-9A-Za-z]+): removed$", f.read(), re.M))


def covered(row, events, ended):
    """Whether the log holds the end of this recipient's message."""
    submitted = re.search(r"queued as ([0-9A-Za-z]+)", row.get("submit_reply") or "")
    if submitted:
        return submitted.group(1) in ended
    # Handed in locally, or made by an alias: no queue id in the truth, so only its own events can tell.
    return bool(events) and events[-1]["queue_id"] in ended


def compare_answers(row, events, score):
    """Code, enhanced code and text of the last answer; for information."""
    if not row["attempts"] or row["attempts"][-1].get("code") is None:
        return
    attempt, tried = row["attempts"][-1], events
    if row["final"] == "expired":  # the line that gives up has no answer of its own
        tried = [e for e in events if e["outcome"] == "deferred" and e.get("attempt", True)]
        if not tried:
            return
    event = tried[-1]
    score["answers"] += 1
    score["code"] += event.get("code") == attempt["code"]
    status = re.match(r"\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b", attempt["reply"][-1])
    if status:
        score["with enhanced"] += 1
        score["enhanced"] += event.get("enhanced") == status.group(1)
    text = re.sub(r"[\x00-\x1f\x7f]|\\x[0-9A-Fa-f]{2}", "?", " ".join(attempt["reply"]))
    score["text"] += text[:1000] in event.get("reply", "")


def judge(name, truth, events, whole, ended, differences):
    direct, original = by_recipient(events)
    score = collections.Counter()
    for row in truth:
        key = canonical(row["from"]), canonical(row["rcpt"])
        found = direct.get(key) or original.get(key) or []
        if not whole and not covered(row, found, ended):
            score["not covered"] += 1
            continue
        who = f"{name}: {row['from']} -> {row['rcpt']} [{row['inst']}, {row['kind']}, {row['basis']}]"
        if not found:
            score["missing"] += 1
            differences.append(f"{who}: {row['final']}, no event")
        elif found[-1]["outcome"] not in MEANS[row["final"]]:
            score["wrong"] += 1
            said = " ".join(e["outcome"] for e in found)
            differences.append(f"{who}: {row['final']}, events say {said}: {found[-1].get('reply', '')}")
        else:
            score["right"] += 1
            score[f"{row['final']} as {found[-1]['outcome']}"] += 1
            compare_answers(row, found, score)
    return score


def same_events(shorter, longer, differences):
    """The shorter rendering tells of the same events, first to last."""
    keys = ("queue_id", "recipient", "orig_recipient", "sender", "message_id", "outcome", "code",
            "enhanced", "reply", "category", "rule", "relay_host", "relay_ip", "delay_s", "service")
    for i, (a, b) in enumerate(zip(shorter, longer)):
        off = [k for k in keys if a.get(k) != b.get(k)]
        if off or a["time"][:19] != b["time"][:19]:
            differences.append(f"event {i} differs between the renderings in {off or ['time']}: {a} / {b}")
            return i
    return len(shorter)


def show(name, score, events):
    print(f"{name}: {score['right']} right, {score['missing']} missing, {score['wrong']} wrong"
          + (f", {score['not covered']} end beyond this log" if score["not covered"] else "")
          + f" ({len(events)} events)")
    for label, n in sorted(score.items()):
        if " as " in label:
            print(f"    {n:5} {label}")
    print(f"    of {score['answers']} last answers: code equal {score['code']}, text found {score['text']}; "
          f"of {score['with enhanced']} with an enhanced code: equal {score['enhanced']}")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("directory")
    args.add_argument("--allow", type=int, default=0, metavar="N", help="differences that are still a success")
    options = args.parse_args()
    truth = load_truth(options.directory)
    differences, events = [], {}
    for name in ("rfc3164", "rfc3339"):
        log = f"{options.directory}/{RUN}-{name}.log"
        events[name] = scan(options.program, log)
        show(name, judge(name, truth, events[name], name == "rfc3164", queue_ids_that_end(log), differences),
             events[name])
    same = same_events(events["rfc3339"], events["rfc3164"], differences)
    print(f"rfc3339: {same} of {len(events['rfc3339'])} events equal to the first ones of rfc3164")
    for line in differences[:200]:
        print("  " + line)
    return 1 if len(differences) > options.allow else 0


if __name__ == "__main__":
    sys.exit(main())
