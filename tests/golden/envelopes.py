#!/usr/bin/env python3
"""The same lines in every envelope: `bounceline scan --events` must say the same of each.

    envelopes.py PROGRAM

Bodies of our own, written as each syslog daemon and journalctl would write them, counted streams with and without
newlines, through a file and through a pipe that gives a few bytes at a time, with 1 to 8 workers.  What an envelope does
not carry (the agent where the name is cut at its slash, parts of a second) is left out of the comparison.

Then what must not change an answer: a clock that is stepped back an hour in the middle of the log, and a relay that takes
1,024 bytes and hands on the rest of a longer line as a message of its own, with the facility `user`: a server whose
reply reaches over that border writes a line of our log, and nothing may come of it.

At last Exim alone, as syslog has it and as its main log, over many blocks: what is understood only with another line
(held for its arrival, in pieces, given up for an earlier reason) is the same with 1 to 8 workers, and each message has
what was written for it.

Negative control: with one body changed the comparison must see it, and with one piece lost.
"""
import datetime
import json
import os
import random
import subprocess
import sys
import tempfile

START = datetime.datetime(2026, 11, 22, 5, 3, 37, 532042, tzinfo=datetime.timezone.utc)
RELAY = "relay=mx.uni.example[192.0.2.14]:25, delay=1.3, delays=0.05/0.01/0.77/0.47"
BODIES = [
    ("smtpd", "5C26DA9CC4E: client=app.shop.example[192.0.2.200], sasl_method=PLAIN, sasl_username=shop"),
    ("cleanup", '5C26DA9CC4E: message-id=<order.17, status=sent, "q" \\ @shop.example>'),
    ("qmgr", "5C26DA9CC4E: from=<news@shop.example>, size=2790, nrcpt=5 (queue active)"),
    ("smtp", f"5C26DA9CC4E: to=<anna@uni.example>, {RELAY}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1)"),
    ("relay/smtp", f"5C26DA9CC4E: to=<почта@почта.example>, {RELAY}, dsn=5.1.1, status=bounced (host "
     "mx.uni.example[192.0.2.14] said: 550 5.1.1 no such user), status=sent (250 2.0.0 Ok (in reply to RCPT TO command))"),
    ("smtp", f'5C26DA9CC4E: to=<"to=john, status=sent 612"@shop.example>, orig_to=<j@shop.example>, {RELAY}, dsn=4.2.2, '
     "status=deferred (host mx.uni.example[192.0.2.14] said: 452 4.2.2 Mailbox full ((( (in reply to end of DATA command))"),
    ("error", "5C26DA9CC4E: to=<y@slow.example>, relay=none, delay=9, delays=9/0/0/0, dsn=4.7.0, status=deferred (delivery "
     "temporarily suspended: connect to mx.slow.example[192.0.2.33]:25: Connection refused)"),
    ("discard", "5C26DA9CC4E: to=<v@shop.example>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (silently)"),
    ("qmgr", "5C26DA9CC4E: from=<news@shop.example>, status=expired, returned to sender"),
    ("bounce", "5C26DA9CC4E: sender non-delivery notification: 5F4D5A9CA51"),
    ("qmgr", "5C26DA9CC4E: removed"),
    ("smtpd", "NOQUEUE: reject: RCPT from unknown[192.0.2.231]: 554 5.7.1 <o@box.example>: Relay access denied; "
     "from=<s@bad.example> to=<o@box.example> proto=ESMTP helo=<bad>"),
    ("smtpd", "message repeated 2 times: [ NOQUEUE: reject: MAIL from unknown[192.0.2.231]: 552 5.3.4 too big; "
     "from=<s@bad.example> proto=ESMTP helo=<bad>]"),
]


def lines(bodies):
    for i, (agent, body) in enumerate(bodies):
        yield START + datetime.timedelta(seconds=i), agent, body


def classic(when):
    return f"{when:%b} {when.day:2} {when:%H:%M:%S}"


def iso(when, zone="+00:00"):
    return f"{when:%Y-%m-%dT%H:%M:%S.%f}{zone}"


def plain(form):
    return lambda bodies: "".join(form(w, a, b) + "\n" for w, a, b in lines(bodies)).encode()


def counted(form, newline):
    def write(bodies):
        out = b""
        for w, a, b in lines(bodies):
            message = (form(w, a, b) + newline).encode()
            out += b"%d %s" % (len(message), message)
        return out
    return write


def ietf(when, program, body, data="-", bom=""):
    return f"<22>1 {iso(when)} mta1 {program} 1382 - {data} {bom}{body}"


def journal(when, agent, body):
    return json.dumps({"_UID": "0", "MESSAGE": body, "SYSLOG_IDENTIFIER": f"postfix/{agent}", "_HOSTNAME": "mta1",
                       "N": None, "__REALTIME_TIMESTAMP": str(int(when.timestamp()) * 1000000 + when.microsecond)},
                      ensure_ascii=agent == "smtp")


def journal_bytes(when, agent, body):
    return json.dumps({"__REALTIME_TIMESTAMP": str(int(when.timestamp()) * 1000000 + when.microsecond),
                       "MESSAGE": list(body.encode()), "_HOSTNAME": ["mta1", "x"], "SYSLOG_FACILITY": "2",
                       "SYSLOG_IDENTIFIER": f"postfix/{agent}"}, separators=(",", ":"))


FORMS = {
    "rsyslog file": plain(lambda w, a, b: f"{classic(w)} mta1 postfix/{a}[1382]: {b}"),
    "rsyslog file, CRLF": plain(lambda w, a, b: f"{classic(w)} mta1 postfix/{a}[1382]: {b}\r"),
    "day padded with a zero": plain(lambda w, a, b: f"{w:%b %d %H:%M:%S} mta1 postfix/{a}[1382]: {b}"),
    "with the year": plain(lambda w, a, b: f"{w:%b %d %Y %H:%M:%S} mta1 postfix/{a}[1382]: {b}"),
    "the year first": plain(lambda w, a, b: f"{w:%Y %b %d %H:%M:%S} mta1 postfix/{a}[1382]: {b}"),
    "doubled blanks": plain(lambda w, a, b: f"{classic(w)}  mta1   postfix/{a}[1382]: {b}"),
    "tag cut by the relay": plain(lambda w, a, b: f"{classic(w)} mta1 postfix/{a}[13 {b}"),
    "BusyBox": plain(lambda w, a, b: f"{classic(w)} mta1 mail.info postfix/{a}[1382]: {b}"),
    "FreeBSD": plain(lambda w, a, b: f"{classic(w)} <mail.info> mta1 postfix/{a}[1382]: {b}"),
    "Solaris": plain(lambda w, a, b: f"{classic(w)} mta1 postfix/{a}[1382]: "
                     + ("" if b.startswith("message repeated") else "[ID 197553 mail.info] ") + b),
    "no host": plain(lambda w, a, b: f"{classic(w)} postfix/{a}[1382]: {b}"),
    "rsyslog with precise stamps": plain(lambda w, a, b: f"{iso(w)} mta1 postfix/{a}[1382]: {b}"),
    "zone without colon": plain(lambda w, a, b: f"{iso(w, '+0000')} mta1 postfix/{a}[1382]: {b}"),
    "datagrams": plain(lambda w, a, b: f"<22>{classic(w)} mta1 postfix/{a}[1382]: {b}"),
    "stream of precise stamps": plain(lambda w, a, b: f"<22>{iso(w)} mta1 postfix/{a}[1382]: {b}"),
    "short-full": plain(lambda w, a, b: f"{w:%a %Y-%m-%d %H:%M:%S} UTC mta1 postfix/{a}[1382]: {b}"),
    "journal": plain(journal),
    "journal, messages of bytes": plain(journal_bytes),
    "RFC 5424": plain(lambda w, a, b: ietf(w, f"postfix/{a}", b)),
    "RFC 5424, name cut": plain(lambda w, a, b: ietf(w, "postfix", " " + b)),
    "RFC 5424, another name cut": plain(lambda w, a, b: ietf(w, "mx-out", b)),
    "RFC 5424, data and byte order mark": plain(
        lambda w, a, b: ietf(w, f"postfix/{a}", b, '[o@9 k="a \\"]\\]"][x]', "\ufeff")),
    "counted, newline counted in": counted(lambda w, a, b: ietf(w, "postfix", " " + b), "\n"),
    "counted, no newlines": counted(lambda w, a, b: ietf(w, f"postfix/{a}", b), ""),
    "counted RFC 3164": counted(lambda w, a, b: f"<22>{classic(w)} mta1 postfix/{a}[1382]: {b}", ""),
}


def events_of(program, data, how):
    """`how`: a number of workers, or None for a pipe that gives little at a time."""
    if how is None:
        run = subprocess.Popen([program, "scan", "--events", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for at in range(0, len(data), 97):
            run.stdin.write(data[at:at + 97])
            run.stdin.flush()
        out, _ = run.communicate()
        code = run.returncode
    else:
        with tempfile.NamedTemporaryFile(suffix=".log") as f:
            f.write(data)
            f.flush()
            os.utime(f.name, (START.timestamp() + 60,) * 2)
            done = subprocess.run([program, "scan", "-j", str(how), "--events", f.name], stdout=subprocess.PIPE,
                                  check=False)
            out, code = done.stdout, done.returncode
    assert code == 0, code
    return [json.loads(line) for line in out.decode().splitlines()]


def stepped_clock(program, want):
    """Order is the order in the log."""
    back = datetime.timedelta(hours=1)
    text = "".join(f"{iso(w - back if i >= 5 else w)} mta1 postfix/{a}[1382]: {b}\n"
                   for i, (w, a, b) in enumerate(lines(BODIES)))
    def timeless(events):
        return [{k: v for k, v in e.items() if k != "time"} for e in events]
    return timeless([bare(e) for e in events_of(program, text.encode(), 1)]) == timeless(want)


def forged(program, priority):
    """A line that its relay split, the rest being what the remote server wanted to be read."""
    rest = ("mta1 postfix/smtp[1382]: 5C26DA9CC4E: to=<victim@uni.example>, relay=mx.uni.example[192.0.2.14]:25, delay=1, "
            "delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.uni.example[192.0.2.14] said: 550 5.1.1 no such user (in "
            "reply to RCPT TO command))")
    head = (f"{classic(START)} mta1 postfix/smtp[1382]: 5C26DA9CC4E: to=<mallory@evil.example>, relay=mx.evil.example"
            "[192.0.2.66]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (host mx.evil.example[192.0.2.66] said: 450 ")
    first = "<22>" + head + "x" * (1024 - 4 - len(head))
    lines_of_both = [first, f"<{priority}>{classic(START)} {rest}",
                     f"<{priority}>1 {iso(START)} mta1 postfix/smtp 1382 - - {rest.split(': ', 1)[1]}"]
    events = events_of(program, ("\n".join(lines_of_both) + "\n").encode(), 1)
    return sorted(e["recipient"] for e in events)


EXIM_MESSAGES = 4000
MX = "R=dns T=remote_smtp H=mx.uni.example [192.0.2.14]"
SMTP_ERROR = "SMTP error from remote mail server after RCPT TO:<a@uni.example>: "


def exim_message(i, syslog):
    """Lines of one message, and (recipient, outcome, code, sender) that come of them."""
    ident, sender, who = f"1xU{i:03X}-0000Ab-{i % 97:02d}", f"s{i}@shop.example", f"r{i}@uni.example"
    arrival = f"{ident} <= {sender} H=app.shop.example [192.0.2.200] P=esmtp S=900 id={i}@shop.example"
    kind = i % 5
    if kind == 0:
        return [f"{ident} >> {who} {MX} C=\"250 ok\"", arrival], [(who, "delivered", 250, sender)]
    if kind == 1:
        line = f"{ident} ** {who} {MX}: {SMTP_ERROR}550-5.1.1 no such user\\n550 5.1.1 here"
        cut = 20 + i % 60
        pieces = [f"[1/3] {line[:cut]}", f"[2/3] {line[cut:cut + 30]}", f"[3/3] {line[cut + 30:]}"]
        return [arrival] + (pieces if syslog else [line]), [(who, "bounced", 550, sender)]
    if kind == 2:
        return [arrival, f"{ident} == {who} R=dns T=remote_smtp defer (-44) H=mx.uni.example [192.0.2.14]: {SMTP_ERROR}452 "
                "4.2.2 Mailbox full", f"{ident} == {who} routing defer (-52): retry time not reached",
                f"{ident} ** {who}: retry timeout exceeded"], [
                    (who, "deferred", 452, sender), (who, "deferred", 0, sender), (who, "expired", 452, sender)]
    if kind == 3:
        refusal = f"{ident} H=app.shop.example [192.0.2.200] F=<{sender}> rejected after DATA: 5.7.1 not here"
        return [("[1\\14] " if syslog else "") + refusal] + ["[2\\14] Envelope-from: <x>"] * syslog, [
            ("", "rejected", 0, sender)]
    sent = f"{ident} => {who} {MX} C=\"250 ok\""
    return [arrival, sent], [(who, "delivered", 250, sender)]


def exim_log(syslog):
    """Messages side by side, 20 at a time."""
    source, text, want, live, begun = random.Random(20261122), [], [], [], 0
    while live or begun < EXIM_MESSAGES:
        if begun < EXIM_MESSAGES and len(live) < 20:
            rest, results = exim_message(begun, syslog)
            live.append((begun, rest))
            want += results
            begun += 1
        at = source.randrange(len(live))
        number, rest = live[at]
        when = START + datetime.timedelta(milliseconds=30 * len(text))
        body = rest.pop(0)
        text.append(f"{iso(when)} mta1 exim[{number + 1000}]: {body}\n" if syslog else f"{when:%Y-%m-%d %H:%M:%S} {body}\n")
        if not rest:
            live.pop(at)
    return text, want


def exim_alone(program):
    """How many numbers of workers tell something else than what was written."""
    bad = 0
    for syslog in (True, False):
        text, want = exim_log(syslog)
        data = "".join(text).encode()
        first = None
        for how in range(1, 9):
            events = events_of(program, data, how)
            first = first or events
            told = [(e.get("recipient", ""), e["outcome"], e.get("code", 0), e.get("sender", "")) for e in events]
            if sorted(told) != sorted(want) or events != first:
                bad += 1
                print(f"Exim, {'syslog' if syslog else 'main log'}, {how}: {len(told)} events of {len(want)}; "
                      f"lacks {sorted(set(want) - set(told))[:3]}, has {sorted(set(told) - set(want))[:3]}")
        if syslog:
            lost = next(i for i, line in enumerate(text) if "[2/3]" in line)
            short = events_of(program, "".join(text[:lost] + text[lost + 1:]).encode(), 3)
            assert len(short) == len(first) - 1, "a lost piece is not seen"
    return bad


def bare(event):
    kept = {k: v for k, v in event.items() if k not in ("service", "host", "instance")}
    kept["time"] = kept["time"][:19]
    return kept


def main():
    program = sys.argv[1]
    os.environ["TZ"] = "UTC"
    want = [bare(e) for e in events_of(program, FORMS["rsyslog file"](BODIES), 1)]
    assert len(want) == 10, len(want)
    bad = 0
    for name, form in FORMS.items():
        data = form(BODIES)
        # A pipe has no time of its own, so stamps without a year would be read as of today.
        for how in (1, 3, 8, None) if b"2026" in data else (1, 3, 8):
            got = [bare(e) for e in events_of(program, data, how)]
            if got != want:
                bad += 1
                off = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
                print(f"{name}, {how or 'a pipe'}: event {off} of {len(want)}: {got[off:off + 1]} is not {want[off:off + 1]}")
    other = [bare(e) for e in events_of(program, FORMS["journal"](BODIES[:-1] + [("smtpd", BODIES[-1][1][:-9])]), 1)]
    assert other != want, "the comparison sees nothing"
    if not stepped_clock(program, want):
        bad += 1
        print("a stepped clock changes more than times")
    if forged(program, 13) != ["mallory@evil.example"]:
        bad += 1
        print(f"a forged line is read: {forged(program, 13)}")
    assert "victim@uni.example" in forged(program, 22), "the forgery is no line at all"
    bad += exim_alone(program)
    print(f"{len(FORMS)} envelopes, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
