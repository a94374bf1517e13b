"""What a real run's truth says, and how it is compared with events: shared by real_postfix.py and real_exim.py.

RUN.expected.jsonl tells what the scripted peers answered and what became of each recipient, known without the log.
Addresses are compared in one form: quotes and escapes of the local part resolved, case folded, the domain as A-labels.
"""
import collections
import json
import re
import subprocess
import sys

# What the truth calls it, and the outcomes that say the same.  An alias that was forwarded and an LMTP server on
# this host take mail, as the truth sees it; whether that counts as a delivery is for the program to say.
MEANS = {
    "sent": {"delivered", "relayed", "discarded"},
    "bounced": {"bounced", "dropped"},
    "expired": {"expired"},
    "deferred": {"deferred"},
}
# The meaning that a peer's script gave to its reply, and the categories that say the same.
AGREES = {
    "user_unknown": {"invalid-recipient"},
    "disabled": {"inactive-mailbox"},
    "mailbox_full": {"mailbox-full"},
    "greylist": {"greylisted"},
    "rate_limit": {"poor-reputation", "rate-limited", "recipient-rate-limited", "too-many-recipients"},
    "policy": {"attachment-rejected", "auth-failed", "content-rejected", "malformed-message", "missing-ptr",
        "null-mx", "policy-rejected", "poor-reputation", "protocol-error", "recipient-restricted",
        "relay-denied", "sender-domain-invalid", "sender-rejected", "smtp-auth-required", "tls-required",
        "too-many-recipients"},
    "spam": {"attachment-rejected", "content-rejected", "poor-reputation"},
    "virus": {"attachment-rejected", "virus-detected"},
    "dnsbl": {"domain-blocklisted", "ip-blocklisted", "poor-reputation"},
    "dmarc": {"dmarc-failed"},
    "spf": {"spf-failed"},
    "dkim": {"dkim-failed"},
    "relay": {"relay-denied"},
    "size": {"message-too-large"},
    "loop": {"mail-loop"},
    "syntax": {"bad-address-syntax", "protocol-error"},
    "timeout": {"connection-failed"},
    "conn_lost": {"connection-failed"},
    "temp_system": {"dns-temporary", "remote-system-error", "remote-system-full", "sender-domain-invalid"},
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


def load(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def with_instances(rows):
    """Addresses made by an alias name no instance: theirs is that of the message they came from."""
    by_sender = {r["from"]: r["inst"] for r in rows if r["inst"]}
    for row in rows:
        row["inst"] = row["inst"] or by_sender.get(row["from"])
    return rows


def scan(program, log):
    done = subprocess.run([program, "scan", "--events", log], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"scan --events {log} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]


def by_recipient(events):
    """(sender, recipient) -> its events in order; and the same by the address before an alias."""
    direct, original = collections.defaultdict(list), collections.defaultdict(list)
    for event in events:
        if event["outcome"] == "rejected" or "recipient" not in event:
            continue
        sender = canonical(event.get("sender"))
        direct[sender, canonical(event["recipient"])].append(event)
        if "orig_recipient" in event:
            original[sender, canonical(event["orig_recipient"])].append(event)
    return direct, original
