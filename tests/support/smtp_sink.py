#!/usr/bin/env python3
"""An SMTP server that answers by recipient, and writes down what it answered.

    smtp_sink.py ADDRESS:PORT ANSWERS [FILTER-ADDRESS:PORT REINJECT-ADDRESS:PORT]

What a recipient gets is the part of its name before the first '-' (table below).  Each answer that settles
an attempt is a line of JSON in ANSWERS: sender, recipient, where, class (2, 4, 5), reply.  The second pair is a
content filter: it takes everything and hands it to REINJECT.
"""
import json
import smtplib
import socketserver
import sys
import threading

# name: answers to RCPT TO, one an attempt, the last one for all that follow; None: taken.
RCPT = {
    "ok": [None],
    "gone": ["550 5.1.1 <{rcpt}>: Recipient address rejected: User unknown"],
    "shut": ["550 5.2.1 The email account that you tried to reach is disabled"],
    "grey": ["451 4.7.1 Greylisted, please try again later", None],
    "later": ["451 4.3.2 System not accepting network messages"],
    "full": ["452 4.2.2 <{rcpt}>: Mailbox full"],
    "full5": ["552 5.2.2 <{rcpt}>: Mailbox is over its quota"],
    "blocked": ["554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using bl.example"],
    "policy": ["550 5.7.1 Message refused by local policy"],
    "odd": ["550 we had rather not"],
    "revived": ["550 5.1.1 <{rcpt}>: User unknown", None],
}
# ... and to the end of the message; what is not here is taken.
DATA = {
    "spam": "554 5.7.1 Message looks like spam, not accepted",
    "toobig": "552 5.3.4 Message size exceeds fixed limit",
    "busy": "451 4.3.0 Error: queue file write error",
}


class Book:
    def __init__(self, path):
        self.file, self.lock, self.attempts = open(path, "a", buffering=1), threading.Lock(), {}

    def attempt(self, recipient):
        with self.lock:
            self.attempts[recipient] = self.attempts.get(recipient, 0) + 1
            return self.attempts[recipient]

    def write(self, sender, recipient, where, reply):
        with self.lock:
            json.dump({"sender": sender, "recipient": recipient, "where": where, "class": int(reply[0]), "reply": reply},
                      self.file)
            self.file.write("\n")


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def line(self):
        return self.rfile.readline(65536).decode("latin-1").rstrip("\r\n")

    def body(self):
        lines = []
        while (line := self.rfile.readline(1 << 20)) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def handle(self):
        self.say("220 sink.example ESMTP")
        self.sender, self.taken = None, []
        while line := self.line():
            verb = line.split(":")[0].split(" ")[0].upper()
            if verb == "EHLO":
                self.say("250-sink.example\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
            elif verb == "MAIL":
                self.sender, self.taken = line.split("<", 1)[1].split(">", 1)[0], []
                self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                self.rcpt(line.split("<", 1)[1].rsplit(">", 1)[0])
            elif verb == "DATA" and self.taken:
                self.say("354 go on")
                self.say(self.data(self.body()))
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok" if verb in ("HELO", "RSET", "NOOP") else "503 5.5.1 not now")


class Sink(Session):
    def rcpt(self, recipient):
        script = RCPT.get(recipient.split("-")[0], [None])
        reply = script[min(self.server.book.attempt(recipient), len(script)) - 1]
        if reply is None:
            self.taken.append(recipient)
            self.say("250 2.1.5 Ok")
        else:
            reply = reply.format(rcpt=recipient)
            self.server.book.write(self.sender, recipient, "rcpt", reply)
            self.say(reply)

    def data(self, body):
        replies = [DATA[r.split("-")[0]] for r in self.taken if r.split("-")[0] in DATA]
        reply = replies[0] if replies else "250 2.0.0 Ok: taken"
        for recipient in self.taken:
            self.server.book.write(self.sender, recipient, "data", reply)
        return reply


class Filter(Session):
    def rcpt(self, recipient):
        self.taken.append(recipient)
        self.say("250 2.1.5 Ok")

    def data(self, body):
        host, port = self.server.reinject
        with smtplib.SMTP(host, port, local_hostname="filter.example") as smtp:
            refused = smtp.sendmail(self.sender, self.taken, body)
        assert not refused, refused
        for recipient in self.taken:
            self.server.book.write(self.sender, recipient, "filter", "250 2.0.0 Ok: filtered")
        return "250 2.0.0 Ok: filtered"


def serve(kind, address, book, reinject=None):
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    host, port = address.rsplit(":", 1)
    server = Server((host, int(port)), kind)
    server.book, server.reinject = book, reinject
    threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    book = Book(sys.argv[2])
    serve(Sink, sys.argv[1], book)
    if len(sys.argv) > 3:
        host, port = sys.argv[4].rsplit(":", 1)
        serve(Filter, sys.argv[3], book, (host, int(port)))
