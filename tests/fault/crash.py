#!/usr/bin/env python3
"""Kills the daemon at random under a writer that appends and rotates; then everything must add up.

    crash.py PROGRAM [--kills N] [--seed N] [--partitions N] [--flushes] [--hosts N]
             [--expect-failure no-fence|no-slot-positions]

A writer appends numbered lines of an invented Postfix to a log and rotates it, at times compressing what was
rotated, whether the daemon runs or not.  Between the daemon and Redis stands a relay, so that the harness
decides what becomes of bytes that are on their way when the daemon dies:

    plain         kill -9, nothing else
    delayed tail  what was sent last reaches Redis only after the next daemon has claimed the slots
    lost tail     what was sent last never reaches Redis
    lost answers  Redis executes but nothing comes back: the counters' slot gets ahead of the addresses'
    cut           no kill: the connection breaks, its tail arrives late
    term          SIGTERM: the daemon drains, commits and ends with 0
    flush         FLUSHALL, before the kill or behind it: everything is counted again, rotated files too.  Only
                  with --flushes, since it also forgets what was wrong before

At the end the log is read to its end and Redis must hold what was written: outcome totals, and of every
address the verdict and the queue ids of its failures, newest first, against a dictionary kept by the writer.
With --hosts the daemon is given a pattern instead of a log, and more logs come while all this happens, at random moments,
each with a stream and rotations of its own; some that are known leave the configuration and come back.

With --expect-failure the daemon runs with one protection switched off (BOUNCELINE_TEST), meets what that
protection is against, and the comparison must fail: that is how one knows it would.
"""
import argparse
import asyncio
import collections
import contextlib
import glob
import gzip
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time

KINDS = {"plain": 4, "delayed tail": 4, "lost tail": 2, "lost answers": 4, "cut": 2, "term": 1}
FLUSHES = {"plain": 2, "lost answers": 1, "term": 1, "flush": 2}
# What each protection is against: a negative control does only that, so that it does not pass by luck.
AGAINST = {"no-fence": {"delayed tail": 3, "cut": 1}, "no-slot-positions": {"lost answers": 1}}
ADDRESSES = 3000
NODE = "crash"
SANITIZER_EXIT = 99


class Stuck(Exception):
    """The harness could not do its work; says nothing about what Redis holds."""


class Mail:
    """The stream of lines, and what it says: the model that Redis is compared with."""

    RESULTS = (
        # weight, outcome, dsn, text
        (50, "delivered", "2.0.0", "250 2.0.0 Ok: queued as 1"),
        (26, "bounced", "5.1.1", "host mx.d.example[192.0.2.1] said: 550 5.1.1 <{}>: Recipient address rejected: "
                                 "User unknown in virtual mailbox table (in reply to RCPT TO command)"),
        (8, "bounced", "5.7.1", "host mx.d.example[192.0.2.1] said: 554 5.7.1 Message rejected as spam by content "
                                "filter (in reply to end of DATA command)"),
        (16, "deferred", "4.7.1", "host mx.d.example[192.0.2.1] said: 450 4.7.1 <{}>: Recipient address rejected: "
                                  "Greylisted, come back later (in reply to RCPT TO command)"),
    )

    def __init__(self, rng, host=0):
        self.rng, self.host = rng, host
        self.number = host << 24  # queue ids, and addresses, of its own: order is within a log
        self.lines = 0
        # Event time: an hour ago and a millisecond a line, so that no stamp is ever in the future.
        self.time_ms = int(time.time() * 1000) - 3600 * 1000
        self.outcomes = collections.Counter()
        self.failures = collections.defaultdict(list)  # address -> queue ids, oldest first
        self.suppressed = {}                           # address -> whether it is now
        self.waiting = []                              # deferred messages: given up later, or delivered

    def line(self, service, text):
        self.time_ms += 1
        self.lines += 1
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.time_ms // 1000))
        return f"{seconds}.{self.time_ms % 1000:03}000+00:00 mta1 postfix/{service}[{100 + len(service)}]: {text}\n"

    def delivery(self, queue_id, address, result):
        _, outcome, dsn, text = result
        self.outcomes[outcome] += 1
        if dsn == "5.1.1":
            self.failures[address].append(queue_id)
            self.suppressed[address] = True
        elif outcome == "delivered":
            self.suppressed[address] = False
        word = {"delivered": "sent"}.get(outcome, outcome)
        return self.line("smtp", f"{queue_id}: to=<{address}>, relay=mx.d.example[192.0.2.1]:25, delay=0.1, "
                                 f"delays=0.01/0.01/0.03/0.05, dsn={dsn}, status={word} ({text.format(address)})")

    def next(self):
        """The lines of a new message, or the end of an old one."""
        if len(self.waiting) > 60 or (self.waiting and self.rng.random() < 0.12):
            return self.finish(self.waiting.pop(self.rng.randrange(len(self.waiting))))
        self.number += 1
        queue_id = f"{0x4000000000 + self.number:X}"
        address = f"user{self.rng.randrange(ADDRESSES)}@d{self.rng.randrange(40)}.h{self.host}.example"
        lines = [
            self.line("cleanup", f"{queue_id}: message-id=<{self.number}@sender.example>"),
            self.line("qmgr", f"{queue_id}: from=<list-{self.number}@sender.example>, size=900, nrcpt=1 (queue active)"),
        ]
        result = self.rng.choices(self.RESULTS, [r[0] for r in self.RESULTS])[0]
        lines.append(self.delivery(queue_id, address, result))
        if result[1] == "deferred":
            self.waiting.append((queue_id, address))
        else:
            lines.append(self.line("qmgr", f"{queue_id}: removed"))
        return lines

    def finish(self, message):
        queue_id, address = message
        if self.rng.random() < 0.5:
            self.outcomes["expired"] += 1
            lines = [self.line("qmgr", f"{queue_id}: from=<list@sender.example>, status=expired, returned to sender")]
        else:
            lines = [self.delivery(queue_id, address, self.RESULTS[self.rng.choice((0, 1))])]
        return lines + [self.line("qmgr", f"{queue_id}: removed")]


class Writer:
    def __init__(self, directory, mail, rng, rate, seconds_per_file, redis):
        self.redis, self.followed = redis, False
        self.path, self.mail, self.rng, self.rate = f"{directory}/mail.log", mail, rng, rate
        self.seconds_per_file = seconds_per_file
        self.file = open(self.path, "ab", buffering=0)
        self.rotations = self.packed = self.bytes = 0
        self.stop = self.rests = False

    def append(self, text):
        data = text.encode()
        self.bytes += len(data)
        # Now and then in two pieces: a line is not there before its newline is.
        cut = self.rng.randrange(len(data)) if self.rng.random() < 0.2 else 0
        for piece in (data[:cut], data[cut:]):
            if piece:
                self.file.write(piece)

    def siblings(self):
        names = os.listdir(os.path.dirname(self.path))
        return sorted((int(n.split(".")[2]), n) for n in names if n.startswith("mail.log."))

    async def is_followed(self):
        """Redis knows a file of this log; the fourth word of a position is its inode."""
        if not self.followed:
            fields = await self.redis.call("HGETALL", f"bl:{{n:{NODE}}}:pos")
            inode = str(os.fstat(self.file.fileno()).st_ino)
            self.followed = any("|g|" in f and v.split()[3] == inode for f, v in zip(fields[::2], fields[1::2]))
        return self.followed

    async def rotate(self):
        folder = os.path.dirname(self.path)
        for number, name in reversed(self.siblings()):
            parts = name.split(".")
            parts[2] = str(number + 1)
            os.rename(f"{folder}/{name}", f"{folder}/{'.'.join(parts)}")
        os.rename(self.path, f"{self.path}.1")
        # The writer has not noticed yet.
        for _ in range(self.rng.randrange(3)):
            self.append("".join(self.mail.next()))
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)
        self.rotations += 1
        old = f"{self.path}.2"
        if os.path.exists(old) and self.rng.random() < 0.6:
            await self.compress(old)

    async def compress(self, old):
        """As gzip does it: for a while both are there and the new one is not whole."""
        with open(old, "rb") as f, gzip.open(f"{old}.gz", "wb", 1) as packed:
            while chunk := f.read(1 << 18):
                packed.write(chunk)
                packed.flush()
                await asyncio.sleep(0.01)
        os.unlink(old)
        self.packed += 1

    async def run(self):
        while not self.stop:
            for _ in range(0 if self.rests else max(1, self.rate // 150)):
                self.append("".join(self.mail.next()))
            # A first start reads what is named and no rotated siblings: nobody can know of a file that was
            # rotated away before the daemon had ever seen it.
            if not self.rests and self.rng.random() < 0.02 / self.seconds_per_file and await self.is_followed():
                await self.rotate()
            await asyncio.sleep(0.02)


class Hosts:
    """One log, or with --hosts one in a folder for each host, more and more of them; together what the model is."""

    def __init__(self, options, directory, rng, words, redis):
        self.options, self.folder, self.rng, self.words, self.redis = options, f"{directory}/log", rng, words, redis
        self.config = f"{directory}/c.yaml"
        self.writers, self.tasks, self.without, self.left, self.stop = [], [], None, 0, False
        self.add()

    def add(self):
        host = len(self.writers)
        folder = f"{self.folder}/{host}" if self.options.hosts else self.folder
        os.makedirs(folder, exist_ok=True)
        rate = self.options.rate // (1 + self.options.hosts)
        self.writers.append(Writer(folder, Mail(self.words, host), self.words, rate, self.options.file_seconds, self.redis))
        self.tasks.append(asyncio.create_task(self.writers[-1].run()))

    def configure(self):
        """What the daemon is to follow: all, or for a while all but one host."""
        names = [f"'{self.folder}/*/mail.log*'"]
        if self.without is not None:
            names = [f"'{self.folder}/[!{self.without}]/mail.log*'"]
        with open(self.config + ".new", "w") as f:
            f.write(f"sources: [{', '.join(names)}]\n")
        os.rename(self.config + ".new", self.config)

    async def change(self, daemon):
        """At random moments, whether the daemon runs or not: a host comes, one is left out, one is back.  One that is
        left out rests, for a file that is rotated away meanwhile is not there when it is back."""
        while not self.stop:
            await asyncio.sleep(self.rng.uniform(0.1, 1.2))
            if self.stop:
                return
            if len(self.writers) <= self.options.hosts and self.rng.random() < 0.6:
                self.add()
            elif self.without is None and len(self.writers) > 1:
                out = self.rng.randrange(len(self.writers))
                if await self.writers[out].is_followed():
                    self.without = out
                    self.left += 1
                    self.writers[out].rests = True
            else:
                self.back()
            self.configure()
            if self.rng.random() < 0.7:
                daemon.reload()

    def back(self):
        if self.without is not None:
            self.writers[self.without].rests = False
        self.without = None

    async def end(self):
        self.stop = True
        self.back()
        if self.options.hosts:
            self.configure()
        for writer in self.writers:
            writer.stop = True
        await asyncio.gather(*self.tasks)

    def forget_followed(self):
        for writer in self.writers:
            writer.followed = False

    @property
    def lines(self):
        return sum(w.mail.lines for w in self.writers)

    def model(self):
        """What all logs say together."""
        whole = Mail(self.words)
        for writer in self.writers:
            mail = writer.mail
            whole.lines += mail.lines
            whole.outcomes += mail.outcomes
            whole.failures.update(mail.failures)
            whole.suppressed.update(mail.suppressed)
        return whole


class Relay:
    """Stands between the daemon and Redis and can hold or lose what passes."""

    def __init__(self, path, redis):
        self.path, self.redis = path, redis
        self.connections = set()
        self.tails = set()

    async def start(self):
        self.server = await asyncio.start_unix_server(self.serve, self.path)

    async def serve(self, reader, writer):
        try:
            redis_reader, redis_writer = await asyncio.open_unix_connection(self.redis)
        except OSError:
            writer.close()
            return
        connection = {"hold": 0.0, "lose": False, "mute": False, "writer": writer}
        self.connections.add(id(connection))
        self.live = connection
        back = asyncio.create_task(self.answers(redis_reader, writer, connection))
        task = asyncio.current_task()
        self.tails.add(task)
        held = []
        try:
            while True:
                with contextlib.suppress(OSError):
                    data = await reader.read(1 << 16)
                    if data and not connection["lose"]:
                        if connection["hold"]:
                            held.append(data)
                        else:
                            redis_writer.write(data)
                        continue
                    if data:
                        continue
                break
            await asyncio.sleep(connection["hold"])
            for data in held:
                redis_writer.write(data)
            with contextlib.suppress(OSError):
                redis_writer.write_eof()
                await back  # Redis closes when it has executed all of it
        finally:
            redis_writer.close()
            writer.close()
            self.tails.discard(task)

    async def answers(self, reader, writer, connection):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if not connection["mute"] and not writer.is_closing():
                    writer.write(data)

    def disturb(self, kind, delay):
        """What becomes of the bytes that are on their way from now on."""
        connection = getattr(self, "live", None)
        if not connection:
            return
        if kind in ("delayed tail", "cut"):
            connection["hold"] = delay
        elif kind == "lost tail":
            connection["lose"] = True
        elif kind == "lost answers":
            connection["mute"] = True

    def cut(self):
        if getattr(self, "live", None):
            self.live["writer"].transport.abort()

    async def settle(self):
        """Until no tail is left on its way."""
        while self.tails:
            await asyncio.sleep(0.05)


class Daemon:
    def __init__(self, options, directory, url, hosts):
        self.options, self.directory, self.url, self.hosts = options, directory, url, hosts
        self.process = None
        self.errors = open(f"{directory}/daemon.err", "ab")

    def command(self, *more):
        log = self.hosts.writers[0].path
        # With --flushes the rotated files are not named: the state directory must remember them.
        names = [log] if self.options.flushes else sorted(glob.glob(f"{log}*"))
        if self.options.hosts:
            names = ["-c", self.hosts.config]
        return [self.options.program, "run", *more, "--redis", self.url, "--state", f"{self.directory}/state",
                "--node", NODE, *names]

    def remembers(self):
        return bool(glob.glob(f"{self.directory}/state/join.*"))

    async def start(self):
        environment = dict(os.environ)
        environment["ASAN_OPTIONS"] = environment["UBSAN_OPTIONS"] = f"exitcode={SANITIZER_EXIT}:detect_leaks=0"
        if self.options.expect_failure:
            environment["BOUNCELINE_TEST"] = self.options.expect_failure
        self.process = await asyncio.create_subprocess_exec(
            *self.command(), env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)

    def reload(self):
        """SIGHUP ends a process that has not come to say otherwise."""
        with contextlib.suppress(AttributeError, OSError):
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
                masks = [int(line.split()[1], 16) for line in f if line.startswith(("SigIgn", "SigCgt"))]
            if not self.died() and (masks[0] | masks[1]) & 1:
                self.process.send_signal(signal.SIGHUP)

    def remark(self, text):
        self.errors.write(f"{text}\n".encode())
        self.errors.flush()

    def died(self):
        return self.process.returncode is not None

    async def end(self, signal_number):
        if not self.died():
            self.process.send_signal(signal_number)
        return await asyncio.wait_for(self.process.wait(), 60)

    async def once(self, url):
        self.url = url
        environment = dict(os.environ, ASAN_OPTIONS=f"exitcode={SANITIZER_EXIT}")
        if self.options.expect_failure:
            environment["BOUNCELINE_TEST"] = self.options.expect_failure
        process = await asyncio.create_subprocess_exec(
            *self.command("--once"), env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=self.errors, stderr=self.errors)
        return await asyncio.wait_for(process.wait(), 120)

    def complaints(self):
        with open(f"{self.directory}/daemon.err", encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-40:])


class Redis:
    """As much of the protocol as reading keys takes."""

    def __init__(self, path):
        self.path, self.turn = path, asyncio.Lock()

    async def start(self, directory):
        self.process = await asyncio.create_subprocess_exec(
            "redis-server", "--port", "0", "--unixsocket", self.path, "--dir", directory, "--save", "",
            "--appendonly", "no", "--maxmemory-policy", "noeviction", stdout=asyncio.subprocess.DEVNULL)
        for left in range(200, 0, -1):
            try:
                self.reader, self.writer = await asyncio.open_unix_connection(self.path)
                break
            except (FileNotFoundError, ConnectionRefusedError):  # not yet there, not yet listening
                if left == 1:
                    raise
                await asyncio.sleep(0.05)

    async def call(self, *words):
        words = [str(w).encode() for w in words]
        async with self.turn:
            self.writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            return await self.answer()

    async def answer(self):
        line = (await self.reader.readline()).rstrip(b"\r\n").decode()
        kind, rest = line[0], line[1:]
        if kind == "$":
            return None if rest == "-1" else (await self.reader.readexactly(int(rest) + 2))[:-2].decode("utf-8", "replace")
        if kind == "*":
            return [await self.answer() for _ in range(int(rest))]
        if kind == "-":
            raise RuntimeError(rest)
        return int(rest) if kind == ":" else rest

    async def end(self):
        self.process.terminate()
        await self.process.wait()


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


async def output(*command):
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    return process.returncode, text.decode("utf-8", "replace")


async def sums(redis, key, outcome_of):
    """The fields of a hash, added up by what outcome_of makes of their names; None leaves one out."""
    flat, found = await redis.call("HGETALL", key), collections.Counter()
    for field, value in zip(flat[::2], flat[1::2]):
        name = outcome_of(field)
        if name:
            found[name] += int(value)
    return found


def differences(where, found, written):
    return [f"{where}: {name}: {found[name]} in Redis, {written[name]} written"
            for name in sorted(set(found) | set(written)) if found[name] != written[name]]


async def compare_totals(options, redis, url, mail):
    slot = f"bl:{{n:{NODE}}}"
    names = {*mail.outcomes, "relayed", "rejected", "dropped", "discarded", "lines"}
    written = mail.outcomes + collections.Counter(lines=mail.lines)
    # As the store keeps them: per generation; and by day, for everything and for each domain.
    wrong = differences("totals", await sums(redis, f"{slot}:t", lambda f: f.split("|")[1] if f.split("|")[1] in names else None),
                        written)
    days, by_all, by_domain = await redis.call("ZRANGE", f"{slot}:days", 0, -1), collections.Counter(), collections.Counter()
    for day in days:
        key = f"{slot}:d:{day}"
        by_all += await sums(redis, key, lambda f: f[6:] if f.startswith("all|*|") and f[6:] in names else None)
        by_domain += await sums(redis, key, lambda f: f.split("|")[2] if f.startswith("domain|") and f.count("|") == 2 else None)
    wrong += differences("days, all", by_all, mail.outcomes) + differences("days, domains", by_domain, mail.outcomes)
    # As the program tells them.
    code, text = await output(options.program, "stats", "--json", "--redis", url, "--node", NODE)
    if code != 0:
        raise Stuck(f"stats --json ended with {code}")
    stats = json.loads(text)
    told = collections.Counter({k: v for k, v in stats["outcomes"].items() if v}, lines=stats["lines"])
    wrong += differences("stats", told, written)
    code, text = await output(options.program, "verify", "--redis", url, "--node", NODE)
    if code != 0:
        wrong.append(f"verify ended with {code}: {text.strip()}")
    return wrong


async def compare_addresses(options, redis, mail):
    wrong = []
    for address in sorted(mail.failures):
        slot = f"bl:{{p{crc16(address.encode()) % options.partitions:02}}}"
        verdict = await redis.call("GET", f"{slot}:s:{address}")
        record = await redis.call("GET", f"{slot}:a:{address}") or ""
        failures = [line.split("\t")[6] for line in record.splitlines() if line.startswith("fail\t")]
        expected = mail.failures[address][::-1][:16]
        if (verdict or "").startswith("suppressed") != mail.suppressed[address]:
            wrong.append(f"{address}: verdict '{verdict}', last was {'a failure' if mail.suppressed[address] else 'a delivery'}")
        elif failures != expected:
            wrong.append(f"{address}: failures {failures} in Redis, {expected} written")
    count = 0
    for p in range(options.partitions):
        count += await redis.call("ZCARD", f"bl:{{p{p:02}}}:x")
    if count != len(mail.failures):
        wrong.append(f"{count} addresses have a record, {len(mail.failures)} failed")
    return wrong


def deal(rng, kinds):
    """Kinds of trouble without end: each has its share of every round, in any order."""
    while True:
        deck = [kind for kind, n in kinds.items() for _ in range(n)]
        rng.shuffle(deck)
        yield from deck


async def flush(options, redis, hosts):
    hosts.forget_followed()  # see Writer.run: as far as Redis knows this is a first start
    await redis.call("EVAL", "redis.call('FLUSHALL') redis.call('HSET', 'bl:meta', 'partitions', ARGV[1])", 0,
                     options.partitions)


async def torment(kind, options, rng, relay, daemon, tally, redis, hosts):
    """One life of the daemon."""
    await daemon.start()
    await asyncio.sleep(rng.uniform(*options.life))
    if kind == "flush" and not daemon.remembers():
        kind = "plain"  # a first start: only what is named can be read
    flush_first = kind == "flush" and rng.random() < 0.7
    if flush_first:
        await flush(options, redis, hosts)
    delay = rng.uniform(0.2, 1.5)
    relay.disturb(kind, delay)
    if kind not in ("plain", "term"):
        await asyncio.sleep(rng.uniform(0.1, 1.3))  # batches close about every second
    if kind == "cut":
        relay.cut()
        await asyncio.sleep(rng.uniform(0.5, 2.0))
    if daemon.died():
        raise Stuck(f"the daemon ended by itself with {daemon.process.returncode}\n{daemon.complaints()}")
    code = await daemon.end(signal.SIGTERM if kind == "term" else signal.SIGKILL)
    daemon.remark(f"--- {kind}, at line {hosts.lines} of the log")
    tally[kind] += 1
    if kind == "flush" and not flush_first:
        await flush(options, redis, hosts)
    if kind == "term" and code != 0:
        raise Stuck(f"after SIGTERM the daemon ended with {code}\n{daemon.complaints()}")
    if rng.random() < 0.2:
        await asyncio.sleep(rng.uniform(0.2, 1.0))  # rotations happen while nobody looks


async def session(options, directory, tally):
    # One source of chance each: how fast the machine is must not change what is done.
    plan, rng, words, comings = (random.Random(f"{options.seed} {what}") for what in ("plan", "moments", "words", "hosts"))
    kinds = AGAINST[options.expect_failure] if options.expect_failure else FLUSHES if options.flushes else KINDS
    os.mkdir(f"{directory}/log")
    redis = Redis(f"{directory}/redis.sock")
    await redis.start(directory)
    # More partitions than the default one make more slots that can be ahead of each other.
    await redis.call("HSET", "bl:meta", "partitions", options.partitions)
    relay = Relay(f"{directory}/relay.sock", redis.path)
    await relay.start()
    hosts = Hosts(options, directory, comings, words, redis)
    hosts.configure()
    daemon = Daemon(options, directory, f"unix:{relay.path}", hosts)
    changing = asyncio.create_task(hosts.change(daemon)) if options.hosts else None
    try:
        for kind in itertools.islice(deal(plan, kinds), options.kills):
            await torment(kind, options, rng, relay, daemon, tally, redis, hosts)
        await hosts.end()
        if changing:
            await changing
        await relay.settle()
        code = await daemon.once(f"unix:{redis.path}")
        if code != 0:
            raise Stuck(f"run --once ended with {code}\n{daemon.complaints()}")
        mail = hosts.model()
        tally["lines"], tally["bytes"] = mail.lines, sum(w.bytes for w in hosts.writers)
        tally["rotations"], tally["compressed"] = (sum(w.rotations for w in hosts.writers),
                                                   sum(w.packed for w in hosts.writers))
        tally["logs"], tally["logs left for a while"] = len(hosts.writers), hosts.left
        return (await compare_totals(options, redis, f"unix:{redis.path}", mail)
                + await compare_addresses(options, redis, mail))
    finally:
        hosts.stop = True
        for writer in hosts.writers:
            writer.stop = True
        if daemon.process and not daemon.died():
            await daemon.end(signal.SIGKILL)
        await redis.end()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("program")
    args.add_argument("--kills", type=int, default=25)
    args.add_argument("--seed", type=int, default=int(time.time()))
    args.add_argument("--partitions", type=int, default=3)
    args.add_argument("--rate", type=int, default=1500, help="messages a second, about")
    args.add_argument("--life", type=float, nargs=2, default=(0.2, 2.0), metavar="S", help="seconds before trouble")
    args.add_argument("--file-seconds", type=float, default=2.5, help="from one rotation to the next, on average")
    args.add_argument("--flushes", action="store_true", help="Redis comes back empty at times")
    args.add_argument("--hosts", type=int, default=0, help="so many more logs come while it runs, at most 8")
    args.add_argument("--expect-failure", choices=tuple(AGAINST))
    args.add_argument("--keep", action="store_true", help="when it fails, keep the folder with log, state, messages")
    options = args.parse_args()
    tally = collections.Counter()
    begin = time.time()
    directory = tempfile.mkdtemp(prefix="bl-crash-")
    wrong = ["the harness did not come to its end"]
    try:
        wrong = asyncio.run(session(options, directory, tally))
    except Stuck as stuck:
        sys.exit(f"crash: seed {options.seed}: {stuck}")
    finally:
        if options.keep and bool(wrong) != bool(options.expect_failure):
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    print(f"seed {options.seed}, {options.partitions} partitions, {time.time() - begin:.0f} s: "
          + ", ".join(f"{n} {k}" for k, n in sorted(tally.items())))
    for line in wrong[:20]:
        print("  " + line)
    if len(wrong) > 20:
        print(f"  ... {len(wrong)} differences")
    if options.expect_failure:
        print(f"with {options.expect_failure}: " + ("fails, as it should" if wrong else "NOTHING FAILED"))
        return 0 if wrong else 1
    print("FAILED" if wrong else "all totals and address states equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
