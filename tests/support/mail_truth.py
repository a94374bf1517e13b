#!/usr/bin/env python3
"""Mail through a real server, and whether bounceline agrees with who answered it (smtp_sink.py).

    mail_truth.py send HOST:PORT FILTERED-HOST:PORT WAVE    sends a wave; prints what the server itself refused
    mail_truth.py compare ANSWERS REFUSED STATS LIST        every recipient; exit code 1 when one differs

Every recipient has a domain of its own, so that the counters by domain are counters by recipient.
"""
import collections
import json
import smtplib
import sys

SENDER = "news@sender.example"
KINDS = ["ok", "gone", "shut", "grey", "later", "full", "full5", "blocked", "policy", "odd", "spam", "toobig", "busy"]
SUPPRESSED = {"gone", "shut"}  # of all that goes wrong, these are the mailbox's fault


def recipient(kind, number):
    return f"{kind}-{number}@{kind}{number}.example"


def send(plain, filtered, wave):
    refused = collections.Counter()

    def mail(where, recipients):
        host, port = where.rsplit(":", 1)
        with smtplib.SMTP(host, int(port), local_hostname="app.example") as smtp:
            try:
                no = smtp.sendmail(SENDER, recipients, f"From: {SENDER}\r\nSubject: {wave}\r\n\r\nhello\r\n")
            except smtplib.SMTPRecipientsRefused as error:
                no = error.recipients
            refused.update(no.keys())

    base = 100 * wave
    for kind in KINDS:
        for i in range(3):
            mail(plain, [recipient(kind, base + i)])
    mail(plain, [recipient(kind, base + 10) for kind in ("ok", "gone", "grey", "blocked")])  # one message, four ends
    for i in range(3):
        mail(filtered, [recipient(KINDS[i], base + 20 + i)])
    mail(plain, [recipient("revived", 1)])  # each wave again: bounces in the first one only
    mail(plain, [f"nobody-{wave}@refused.example"])
    for address, n in refused.items():
        print(address, n)


def domain(address):
    return address.rsplit("@", 1)[1].lower()


def truth(answers, refused):
    """What the counters of each domain must be, and who must be suppressed."""
    want = collections.defaultdict(collections.Counter)
    words = {2: "delivered", 4: "deferred", 5: "bounced"}
    last, null = {}, 0
    for line in open(answers):
        a = json.loads(line)
        outcome = "relayed" if a["where"] == "filter" else words[a["class"]]
        want[domain(a["recipient"])][outcome] += 1
        if a["where"] != "filter":
            last[a["recipient"]] = outcome
        null += a["sender"] == ""
    for address, outcome in last.items():
        if outcome == "deferred":
            want[domain(address)]["expired"] += 1  # the queue is empty: it was given up
    for line in open(refused):
        address, n = line.split()
        want[domain(address)]["rejected"] += int(n)
    suppressed = {a for a, outcome in last.items() if outcome == "bounced" and a.split("-")[0] in SUPPRESSED}
    assert null > 0 and suppressed and any(o == "deferred" for o in last.values()), "the run shows too little"
    return want, suppressed


def compare(answers, refused, stats, listed):
    want, suppressed = truth(answers, refused)
    got = json.load(open(stats))["domains"]
    have = {json.loads(line)["address"] for line in open(listed)}
    wrong = 0
    for name in sorted(set(want) | set(got)):
        expected, counted = dict(want.get(name, {})), {k: v for k, v in got.get(name, {}).items() if v}
        if expected != counted:
            wrong += 1
            print(f"{name}: the sink answered {expected}, bounceline counted {counted}")
    for address in sorted(have ^ suppressed):
        wrong += 1
        print(f"{address}: {'not ' if address in suppressed else ''}suppressed")
    totals = sum((c for c in want.values()), collections.Counter())
    print(f"{len(want)} domains, {sum(totals.values())} outcomes {dict(totals)}, {len(suppressed)} suppressed: {wrong} wrong")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(1 if compare(*sys.argv[2:6]) else 0)
