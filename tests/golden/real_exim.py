#!/usr/bin/env python3
"""Compares `bounceline scan --events` with what really happened to mail that real Exims handled.

    real_exim.py PROGRAM DIRECTORY [--allow N] [--show N]

DIRECTORY holds logs of one or more runs (real-exim-VERSION-*.log) and VERSION.expected.jsonl: what the scripted
peers answered and what became of each recipient, known without the log.  A recipient is right, missing (no event
speaks of it), or wrong.  Some files are only the beginning of a run: of those, messages whose end they hold are
judged, and their events must be the first ones of the whole rendering.

What cannot be known from the log is counted apart, not judged:
  * `unresolved`: Exim lost the recipient without a word, as far as the truth can see.  The events must not invent a
    success or a refusal for it; that Exim gave up, the log alone can know.
  * a recipient of whom the log says nothing at all.
  * `deferred` last in the log although the truth is `expired` (or the other way round), when the queue listing
    decided and the log ends before.
  * bounced or expired, where the truth comes from the DSN alone (the README of the data says so).

Of each right recipient the answer is compared too: code, enhanced code, text, sender, queue id, and whether the
category is one of those that the truth's own label stands for.
"""
import argparse
import collections
import glob
import os
import re
import sys

from real_truth import AGREES, MEANS, by_recipient, canonical, load, scan, with_instances

# Which instances wrote which file.
FILES = {
    "mainlog-default.log": "A", "mainlog-all-zone.log": "B", "mainlog-custom-pid.log": "C",
    "mainlog-millisec.log": "M", "syslog-rfc3164.log": "SU", "syslog-rfc3339.log": "SU",
    "syslog-rfc5424.log": "SU", "syslog-tcp-octet-counted.raw": "SU",
}
PREFIXES = ("syslog-rfc3339.log", "syslog-rfc5424.log", "syslog-tcp-octet-counted.raw")
ID = re.compile(r"id=(\S+)")


def ended_ids(log):
    return set(re.findall(r"([0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}) Completed", log))


def queue_id(row):
    found = ID.search(row.get("submit_reply") or "")
    return found.group(1) if found else None


def printed(reply):
    """The reply's lines as one text, what cannot be printed left out."""
    return re.sub(r"[^!-~]|\\x[0-9A-Fa-f]{2}|\?", "", " ".join(reply))


def compare_answers(row, events, score, notes):
    if not row["attempts"] or row["attempts"][-1].get("code") is None:
        return
    attempt = row["attempts"][-1]
    tried = [e for e in events if e.get("attempt", True)]
    if not tried:
        return
    event = tried[-1]
    who = f"{row['from']} -> {row['rcpt']} [{row['inst']}, {row['final']}]"
    score["answers"] += 1

    def compare(what, same, said):
        score[what] += same
        if not same:
            notes.append(f"{what}: {who}: {attempt['stage']} {attempt['reply']}: {said}")

    compare("code", event.get("code") == attempt["code"], event.get("code"))
    status = None
    for line in attempt["reply"]:
        found = re.match(r"(\d)\d\d[ -](\d\.\d{1,3}\.\d{1,3})(?=\s|$)", line)
        if found and found.group(2)[0] == found.group(1):
            status = status or found.group(2)
    if status:
        score["with enhanced"] += 1
        compare("enhanced", event.get("enhanced") == status, event.get("enhanced"))
    said = printed([event.get("reply", "")])
    compare("text", said.startswith(printed(attempt["reply"])[:900]), event.get("reply"))
    wanted = AGREES.get(attempt.get("cls"))
    if wanted and "category" in event:
        score["with cls"] += 1
        compare("category", event["category"] in wanted, f"{attempt['cls']} / {event['category']} {event['rule']}")


def spoken_of(row, log):
    """A line of the message that gives this recipient a result."""
    name = re.escape(row["rcpt"].replace('"', "").lower())
    return re.search(rf" (?:=>|->|>>|\*>|\*\*|==) [^\n]*{name}", log.lower()) is not None


def judge(name, truth, events, whole, log, differences, notes):
    ended = ended_ids(log)
    direct, original = by_recipient(events)
    score = collections.Counter()
    for row in truth:
        key = canonical(row["from"]), canonical(row["rcpt"])
        found = direct.get(key) or original.get(key) or []
        if queue_id(row):
            found = [e for e in found if e["queue_id"] == queue_id(row)] or found
        if not whole and not (queue_id(row) in ended if queue_id(row) else
                              bool(found) and found[-1]["queue_id"] in ended):
            score["not covered"] += 1
            continue
        who = f"{name}: {row['from']} -> {row['rcpt']} [{row['inst']}, {row['kind']}, {row['basis']}]"
        said = [e["outcome"] for e in found]
        if row["final"] == "unresolved":
            score["lost by Exim"] += 1
            if said and said[-1] not in ("deferred", "expired"):
                score["wrong"] += 1
                differences.append(f"{who}: lost, but events say {' '.join(said)}")
            continue
        if not found and not spoken_of(row, log):
            score["nothing said in the log"] += 1
        elif not found:
            score["missing"] += 1
            differences.append(f"{who}: {row['final']}, no event")
        elif said[-1] in MEANS[row["final"]]:
            score["right"] += 1
            score[f"{row['final']} as {said[-1]}"] += 1
            if queue_id(row):
                score["with id"] += 1
                score["id"] += found[-1]["queue_id"] == queue_id(row)
            compare_answers(row, found, score, notes)
        elif "dsn" in row["basis"] and {row["final"], said[-1]} == {"bounced", "expired"}:
            score["bounced or expired, by DSN"] += 1
        elif "queue" in row["basis"] and {row["final"], said[-1]} == {"deferred", "expired"}:
            score["deferred or expired, by the queue"] += 1
        else:
            score["wrong"] += 1
            differences.append(f"{who}: {row['final']}, events say {' '.join(said)}: {found[-1].get('reply', '')}")
    return score


def same_events(name, shorter, longer, differences):
    """The shorter rendering tells of the same events, first to last."""
    for i, (a, b) in enumerate(zip(shorter, longer)):
        off = [k for k in set(a) | set(b) if k != "time" and a.get(k) != b.get(k)]
        if off or a["time"][:19] != b["time"][:19]:
            differences.append(f"{name}: event {i} differs from rfc3164's in {off or ['time']}: {a} / {b}")
            return i
    return len(shorter)


def show(name, score, events):
    print(f"{name}: {score['right']} right, {score['missing']} missing, {score['wrong']} wrong ({len(events)} events)")
    for label, n in sorted(score.items()):
        if " as " in label or " or " in label or label in ("not covered", "lost by Exim", "nothing said in the log"):
            print(f"    {n:5} {label}")
    print(f"    id {score['id']}/{score['with id']}; last answers: code {score['code']}/{score['answers']}, "
          f"text {score['text']}/{score['answers']}, enhanced {score['enhanced']}/{score['with enhanced']}, "
          f"category {score['category']}/{score['with cls']}")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("directory")
    args.add_argument("--allow", type=int, default=0, metavar="N", help="differences that are still a success")
    args.add_argument("--show", type=int, default=0, metavar="N", help="print N answers that differ")
    options = args.parse_args()
    differences, notes = [], []
    for path in sorted(glob.glob(f"{options.directory}/real-exim-*.expected.jsonl")):
        run = os.path.basename(path)[:-len(".expected.jsonl")]
        truth = with_instances(load(path))
        whole = None
        for file, instances in FILES.items():
            log, name = f"{options.directory}/{run}-{file}", f"{run[10:]} {file}"
            if not os.path.exists(log):
                continue
            events = scan(options.program, log)
            prefix = file in PREFIXES
            with open(log, encoding="utf-8", errors="replace") as f:
                text = f.read()
            score = judge(name, [r for r in truth if r["inst"] and r["inst"] in instances], events, not prefix,
                          text, differences, notes)
            show(name, score, events)
            if file == "syslog-rfc3164.log":
                whole = events
            elif prefix and whole is not None:
                print(f"    {same_events(name, events, whole, differences)} of {len(events)} events equal to the "
                      "first ones of rfc3164")
    for line in differences[:200] + notes[:options.show]:
        print("  " + line)
    return 1 if len(differences) > options.allow else 0


if __name__ == "__main__":
    sys.exit(main())
