"""Every key of bounceline.yaml, without and with it.  Started by 50-config.sh."""
import concurrent.futures, json, os, shutil, signal, socket, subprocess, sys, tempfile, threading, time, traceback

BL = os.path.abspath(sys.argv[1])
ROOT = tempfile.mkdtemp()
NOW = int(time.time())
HOUR, DAY = 3600, 86400
cases = []


def case(*keys):
    def add(fn):
        cases.append((keys, fn))
        return fn
    return add


# --- what the cases are made of

def stamp(ago):
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW - ago))


def line(ago, queue_id, to, result="bounced", dsn="5.1.1", relay="mx.example.net[192.0.2.1]:25",
         reply="host mx.example.net[192.0.2.1] said: 550 5.1.1 <x@example.net>: Recipient address rejected: "
               "User unknown in virtual mailbox table (in reply to RCPT TO command)"):
    return (f"{stamp(ago)} mx postfix/smtp[9]: {queue_id}: to=<{to}>, relay={relay}, delay=1, delays=0/0/0/1, "
            f"dsn={dsn}, status={result} ({reply})\n")


def sent(ago, queue_id, to, **more):
    return line(ago, queue_id, to, "sent", "2.0.0", reply="250 2.0.0 Ok", **more)


def full(ago, queue_id, to):
    return line(ago, queue_id, to, dsn="5.2.2", reply="host mx.example.net[192.0.2.1] said: 552 5.2.2 <x@example.net>: "
                                                     "Mailbox full (in reply to RCPT TO command)")


class World:
    """One run of a case: a folder of its own, a prefix of its own in the common Redis."""
    count = 0
    lock = threading.Lock()

    def __init__(self, extra="", log=""):
        with World.lock:
            World.count += 1
            self.prefix = f"t{World.count}:"
        self.dir = os.path.join(ROOT, self.prefix[:-1])
        os.mkdir(self.dir)
        self.log = os.path.join(self.dir, "mail.log")
        self.write(self.log, log)
        self.extra = extra

    def write(self, path, text, mode="w"):
        with open(path, mode) as to:
            to.write(text)
        return path

    def config(self, **replace):
        """Lines of `extra` stand beside those that every case needs, unless they are about the same key."""
        base = {"node": "node: mx", "state": f"state: {self.dir}/state", "sources": f"sources: [{self.log}]",
                "redis": f"redis: {{url: 'unix:{REDIS}', prefix: '{self.prefix}'}}"}
        base.update(replace)
        extra = self.extra.format(dir=self.dir, log=self.log, redis=REDIS, prefix=self.prefix)
        given = {part.split(":")[0] for part in extra.splitlines() if part and part[0] not in " #"}
        text = "\n".join(part for key, part in base.items() if key not in given and part) + "\n" + extra + "\n"
        return self.write(os.path.join(self.dir, "c.yaml"), text)

    def run(self, *more, command=("run", "--once"), **kw):
        done = subprocess.run([BL, *command, "--config", self.config(), *more], capture_output=True, text=True,
                              timeout=60, **kw)
        self.err, self.out, self.code = done.stderr, done.stdout, done.returncode
        return self

    def ok(self, *more, **kw):
        self.run(*more, **kw)
        assert self.code == 0, (self.code, self.err, open(os.path.join(self.dir, "c.yaml")).read())
        return self

    def redis(self, *words, sock=None):
        return subprocess.run(["redis-cli", "-s", sock or REDIS, *words], capture_output=True, text=True,
                              check=True).stdout.strip()

    def keys(self, pattern, sock=None, prefix=None):
        pattern = (prefix or self.prefix) + pattern
        return sorted(k for k in self.redis("KEYS", pattern.replace("[", "\\["), sock=sock).splitlines() if k)

    def stats(self, *more):
        self.ok("--json", *more, command=("stats",))
        return json.loads(self.out)

    def suppressed_for(self, address):
        """Days from a minute ago to the end of the verdict, or None."""
        text = self.redis("GET", f"{self.prefix}{{p00}}:s:{address}")
        if not text:
            return None
        until = text.split()[4]
        return (int(until) / 1000 - (NOW - 60)) / DAY

    def daemon(self, *more):
        self.err_path = os.path.join(self.dir, "err")
        daemons.append(subprocess.Popen([BL, "run", "-c", self.config(), *more], stderr=open(self.err_path, "w")))
        return daemons[-1]


daemons = []


def wait(until, seconds=20, what=""):
    end = time.time() + seconds
    while time.time() < end:
        got = until()
        if got:
            return got
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


# --- the cases

@case("node")
def node():
    assert World(log=sent(60, "4A", "a@example.net")).ok().keys("{n:mx}:pos")
    assert World("node: other", sent(60, "4A", "a@example.net")).ok().keys("{n:other}:pos")


@case("state")
def state():
    w = World("state: {dir}/elsewhere").ok()
    assert os.path.exists(w.dir + "/elsewhere/lock") and not os.path.exists(w.dir + "/state")
    w = World().ok()
    assert os.path.exists(w.dir + "/state/lock") and not os.path.exists(w.dir + "/elsewhere")


@case("log_level")
def log_level():
    def says(extra, *more):
        w = World(extra)
        os.remove(w.log)
        return w.run(*more).err
    assert "mail.log" in says("")
    assert says("log_level: error") == ""
    assert "every slot has a batch" not in World("", sent(60, "4A", "a@example.net")).ok().err
    assert "every slot has a batch" in World("log_level: debug", sent(60, "4A", "a@example.net")).ok().err
    assert "mail.log" in says("log_level: error", "--log-level", "info"), "the command line counts for more"


@case("threads")
def threads():
    def count(extra):
        w = World(extra, sent(60, "4A", "a@example.net"))
        d = w.daemon()
        wait(lambda: w.keys("{n:mx}:d:*"), what="counted")
        n = sum(open(f"/proc/{d.pid}/task/{t}/comm").read() is not None for t in os.listdir(f"/proc/{d.pid}/task"))
        assert stop(d) == 0
        return n
    assert count("threads: 5") - count("threads: 2") == 3


@case("rules")
def rules():
    OWN = '[specific]\nparrot: "blue parrot" -> policy-rejected ; a test\n    = 550 blue parrot\n'
    def state(extra, *more, **kw):
        w = World(extra, line(60, "4A", "a@example.net", reply="host mx.example.net[192.0.2.1] said: 550 5.1.1 the blue "
                                                               "parrot is asleep (in reply to RCPT TO command)"))
        w.write(w.dir + "/own.rules", OWN)
        w.write(w.dir + "/none.rules", "")
        return w.ok(*(word.format(dir=w.dir) for word in more), **kw).suppressed_for("a@example.net")
    assert state("") == 7
    assert state("rules: {dir}/own.rules") is None
    assert state("", "--rules", "{dir}/own.rules") is None
    assert state("rules: {dir}/own.rules", "--rules", "{dir}/none.rules") == 7, "the command line counts for more"
    assert state("rules: {dir}/own.rules", env={**os.environ, "BOUNCELINE_RULES": ""}) == 7, "the environment, too"
    reply = "550 5.1.1 the blue parrot is asleep"
    w = World("rules: {dir}/own.rules", line(60, "4A", "a@example.net", reply=f"host mx.example.net[192.0.2.1] said: {reply}"))
    w.write(w.dir + "/own.rules", OWN)
    w.write(w.dir + "/none.rules", "")
    for command in ("classify", reply), ("explain", reply), ("rules", "hits", w.log), ("scan", w.log), ("rules", "list"):
        sign = "own/parrot" if command[0] == "explain" else "policy-rejected"
        assert sign in w.ok(*command[1:], command=command[:1]).out, command
        if command != ("rules", "list"):
            assert sign not in w.ok(*command[1:], "--rules", w.dir + "/none.rules", command=command[:1]).out, command
    w.write(w.dir + "/own.rules", "no rule\n")
    for command in ("classify", reply), ("explain", reply), ("rules", "check"), ("scan", w.log):
        assert w.run(*command[1:], command=command[:1]).code == 65, command
    w = World("rules: {dir}/own.rules")
    w.write(w.dir + "/own.rules", "no rule\n")
    assert w.run(command=("check-config",)).code == 78 and "own.rules:1:1" in w.err, w.err


@case("relays")
def relays():
    log = (sent(60, "4A", "a@example.net", relay="out.example.org[203.0.113.7]:25") +
           sent(60, "4B", "b@example.net", relay="filter.lan[10.1.2.3]:25") + sent(60, "4C", "c@example.net"))
    def outcomes(extra):
        w = World(extra, log).ok()
        o = w.stats()["outcomes"]
        assert json.loads(w.ok("--json", w.log, command=("scan",)).out)["outcomes"] == o, "scan agrees"
        assert w.ok("--events", w.log, command=("scan",)).out.count('"outcome":"relayed"') == o["relayed"]
        return o["delivered"], o["relayed"]
    assert outcomes("") == (3, 0)
    assert outcomes("relays: [.example.org, 10.0.0.0/8]") == (1, 2)
    assert outcomes("relays: mx.example.net") == (2, 1)


@case("sources", "sources.files")
def sources():
    log = sent(60, "4A", "a@example.net")
    assert World(log=log).ok().stats()["lines"] == 1
    w = World("sources:\n  - {dir}/m*.log\n  - files: [{dir}/x.log, '{dir}/y.lo?']", log)
    for name in "x.log", "y.log", "z.log":
        w.write(f"{w.dir}/{name}", log)
    assert w.ok().stats()["lines"] == 3
    w = World("sources: ['{dir}/m*.log*']", log)
    d = w.daemon()
    wait(lambda: w.keys("{n:mx}:d:*"), what="counted")
    os.rename(w.log, w.log + ".1")
    w.write(w.log, log)
    w.write(w.dir + "/more.log", log)
    wait(lambda: "a new log is followed: " + w.dir + "/more.log" in open(w.err_path).read(), what="followed")
    wait(lambda: w.stats()["lines"] == 3, what="counted")
    assert stop(d) == 0 and open(w.err_path).read().count("a new log") == 1, "a rotated file is no new log"
    w = World("sources: ['{dir}/none*.log', {log}]", log).ok()
    assert "nothing matches" in w.err and w.stats()["lines"] == 1
    w = World("sources: ['{dir}/none*.log']", log).run()
    assert w.code == 66, w.code
    w = World("sources: ['{dir}/none*.log']", log)
    assert w.ok(w.log).stats()["lines"] == 1, "files on the command line replace the sources"


@case("sources", "rules")
def check_config_says_what_it_comes_to():
    w = World("sources: ['{dir}/h?.log', {log}, '{dir}/none*.log', {dir}/late.log, {dir}/folder]")
    os.mkdir(w.dir + "/folder")
    for i in range(9):
        w.write(f"{w.dir}/h{i}.log", "")
    w.ok(command=("check-config",))
    assert w.out.startswith(f"OK\n{w.dir}/h?.log: 9 logs now\n    {w.dir}/h0.log: there\n"), w.out
    for said in ("    ... and 1 more\n", f"{w.log}: there\n", f"{w.dir}/none*.log: nothing yet", f"{w.dir}/late.log: not there yet\n",
                 f"{w.dir}/folder: not a regular file\n"):
        assert said in w.out, (said, w.out)
    assert w.err == "", w.err
    w.write(w.dir + "/bad.rules", "no rule\n")
    for how in {"env": {**os.environ, "BOUNCELINE_RULES": w.dir + "/bad.rules"}}, {}:
        assert w.run(*([] if how else ["--rules", w.dir + "/bad.rules"]), command=("check-config",), **how).code == 78, how
        assert "bad.rules:1:1" in w.err, w.err
    assert w.ok(command=("check-config",)), "neither holds for long"
    os.mkfifo(w.dir + "/fifo")
    for path in w.dir + "/fifo", w.dir, "/dev/zero":
        done = subprocess.run([BL, "check-config", "-c", path], capture_output=True, text=True, timeout=20)
        assert done.returncode == 78 and ": it is a" in done.stderr, (path, done)
    w = World("redis: {{url: 'unix:{redis}', user: writer, password_file: {dir}/fifo}}", sent(60, "4A", "a@example.net"))
    os.mkfifo(w.dir + "/fifo")
    assert w.run().code == 78 and "it is a FIFO" in w.err, (w.code, w.err)


@case("sources.from")
def sources_from():
    def outcome(where):
        w = World(f"sources: [{{{{files: [{{log}}], from: {where}}}}}, '{{dir}}/other.log']", sent(60, "4A", "a@example.net"))
        w.write(w.dir + "/other.log", sent(60, "4B", "b@example.net"))
        return w.ok().stats()["outcomes"]["delivered"]
    assert outcome("start") == 2
    assert outcome("end") == 1, "that source alone"


@case("sources.trust")
def sources_trust():
    queued = f"{stamp(70)} mx postfix/qmgr[3]: 4D: from=<s@example.com>, size=1, nrcpt=1 (queue active)\n"
    log = queued + line(60, "4C", "stranger@example.net") + line(60, "4D", "known@example.net")
    def who(trust):
        w = World(f"sources: [{{{{files: [{{log}}], trust: {trust}}}}}]", log).ok()
        refused = w.err
        assert w.stats()["outcomes"]["bounced"] == 2, "shape decides what is counted"
        assert ("(trust: join): 1" in refused) == (trust == "join"), refused
        return [name for name in ("known", "stranger") if w.suppressed_for(name + "@example.net")]
    assert who("log") == ["known", "stranger"]
    assert who("join") == ["known"]


@case("redis", "redis.url")
def redis_url():
    w = World(f"redis:\n  url: unix:{OTHER}", sent(60, "4A", "a@example.net")).ok()
    assert w.keys("{n:mx}:pos", OTHER, "bl:") and not w.keys("*")
    w.redis("FLUSHALL", sock=OTHER)


@case("redis.prefix")
def redis_prefix():
    w = World("redis: {{url: 'unix:{redis}', prefix: 'my-{prefix}'}}", sent(60, "4A", "a@example.net")).ok()
    assert w.keys("{n:mx}:pos", prefix="my-" + w.prefix) and not w.keys("*")
    assert w.stats()["outcomes"]["delivered"] == 1, "stats looks there, too"


@case("redis.user", "redis.password_file")
def redis_password():
    w = World("redis:\n  url: unix:{redis}\n  prefix: '{prefix}'\n  user: writer\n  password_file: {dir}/secret",
              sent(60, "4A", "a@example.net"))
    w.write(w.dir + "/secret", "swordfish\n")
    w.ok()
    assert w.stats()["outcomes"]["delivered"] == 1
    w.write(w.dir + "/secret", "guess\n")
    assert w.run(command=("stats",)).code == 69 and "WRONGPASS" in w.err, w.err
    w.extra = w.extra.replace("user: writer", "user: nobody")
    w.write(w.dir + "/secret", "swordfish\n")
    assert w.run(command=("stats",)).code == 69 and "WRONGPASS" in w.err, w.err
    w.write(w.dir + "/secret", "")
    assert w.run(command=("stats",)).code == 78 and "password" in w.err


class Fake:
    """A server of our own on a unix socket: `answer` is asked for each connection."""
    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(64)
        self.times, self.answer = [], answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.times.append(time.time())
            threading.Thread(target=self.answer, args=(peer,), daemon=True).start()


def seconds_of_stats(extra, answer):
    w = World("redis:\n  url: unix:{dir}/fake\n" + extra)
    Fake(w.dir + "/fake", answer)
    begin = time.time()
    assert w.run(command=("stats",)).code == 69
    return time.time() - begin


@case("redis.connect_timeout")
def connect_timeout():
    silent = lambda peer: time.sleep(30)
    assert seconds_of_stats("  connect_timeout: 100ms", silent) + 1 < seconds_of_stats("  connect_timeout: 1500ms", silent)


@case("redis.command_timeout")
def command_timeout():
    def only_ping(peer):
        while b"PING" not in peer.recv(4096):
            pass
        peer.sendall(b"+PONG\r\n")
        time.sleep(30)
    assert seconds_of_stats("  command_timeout: 100ms", only_ping) + 1 < seconds_of_stats("  command_timeout: 1500ms", only_ping)


@case("redis.retry_max")
def retry_max():
    def tries(extra):
        w = World("redis:\n  url: unix:{dir}/fake\n" + extra)
        fake = Fake(w.dir + "/fake", lambda peer: peer.close())
        d = w.daemon()
        time.sleep(5)
        d.kill()
        d.wait()
        return len(fake.times)
    assert tries("  retry_max: 100ms") > 2 * tries("")


@case("redis.lease")
def lease():
    def left(extra):
        w = World("redis:\n  url: unix:{redis}\n  prefix: '{prefix}'\n" + extra, sent(60, "4A", "a@example.net"))
        d = w.daemon()
        field = lambda: w.redis("HGET", f"{w.prefix}{{n:mx}}:pos", "mx|lease")
        wait(lambda: w.keys("{n:mx}:d:*"), what="counted")
        ms = int(field()) - time.time() * 1000
        assert stop(d) == 0
        return ms / 1000
    assert 20 < left("") <= 30
    assert 100 < left("  lease: 2m") <= 120


@case("redis.memory")
def memory():
    def most(extra):
        w = World(extra, sent(60, "4A", "a@example.net"))
        w.extra = extra or "redis:"
        d = w.daemon()
        sock = wait(lambda: next((os.path.join(p, f) for p, _, fs in os.walk(w.dir + "/state") for f in fs
                                  if f.endswith(".sock")), None), what="a socket")
        wait(lambda: w.keys("{n:mx}:d:*", sock, "bl:"), what="counted")
        n = int(w.redis("CONFIG", "GET", "maxmemory", sock=sock).split()[1])
        assert stop(d) == 0
        return n
    assert most("redis:\n  memory: 48M") == 48 << 20
    assert most("") != 48 << 20


@case("redis.partitions")
def partitions():
    def count(extra):
        w = World("redis:\n  url: unix:{redis}\n  prefix: '{prefix}'\n" + extra, sent(60, "4A", "a@example.net")).ok()
        return w.redis("HGET", w.prefix + "meta", "partitions"), len(w.keys("{p*}:pos"))
    assert count("") == ("1", 1)
    assert count("  partitions: 3") == ("3", 3)
    w = World("redis:\n  url: unix:{redis}\n  prefix: '{prefix}'\n  partitions: 4")
    w.ok("a@example.net", command=("suppress", "add"))
    assert w.redis("HGET", w.prefix + "meta", "partitions") == "4", "also when the list is begun by hand"


def days_after(extra, log):
    return World(extra, log).ok().suppressed_for("a@example.net")


@case("suppression", "suppression.profile")
def profile():
    log = line(60, "4A", "a@example.net")
    assert days_after("", log) == 7
    assert days_after("suppression: {{profile: esp}}", log) == 180
    assert days_after("suppression: {{profile: observe}}", log) is None


@case("suppression.first")
def first():
    assert days_after("suppression: {{first: 3d}}", line(60, "4A", "a@example.net")) == 3


TWICE = line(26 * HOUR, "4A", "a@example.net") + line(60, "4B", "a@example.net")


@case("suppression.second")
def second():
    assert days_after("", TWICE) == 90
    assert days_after("suppression: {{second: 30d}}", TWICE) == 30


@case("suppression.strike_gap")
def strike_gap():
    assert days_after("suppression: {{strike_gap: 30h}}", TWICE) <= 7
    near = line(3 * HOUR, "4A", "a@example.net") + line(60, "4B", "a@example.net")
    assert days_after("", near) <= 7
    assert days_after("suppression: {{strike_gap: 2h}}", near) == 90


@case("suppression.longest")
def longest():
    thrice = line(60 * HOUR, "49", "a@example.net") + TWICE
    assert days_after("", thrice) == 180
    assert days_after("suppression: {{longest: 120d}}", thrice) == 120


@case("suppression.strike_memory")
def strike_memory():
    log = line(20 * DAY, "4A", "a@example.net") + line(60, "4B", "a@example.net")
    assert days_after("", log) == 90
    assert days_after("suppression: {{strike_memory: 10d}}", log) == 7


SOFT = "".join(full(ago * DAY + 60, f"4{ago:02}", "a@example.net") for ago in (8, 6, 4, 2, 0))


@case("suppression.soft", "suppression.soft.days")
def soft_days():
    assert days_after("", SOFT) == 30
    assert days_after("suppression: {{soft: {{days: 6}}}}", SOFT) is None


@case("suppression.soft.window")
def soft_window():
    assert days_after("suppression: {{soft: {{window: 7d}}}}", SOFT) is None


@case("suppression.soft.spread")
def soft_spread():
    assert days_after("suppression: {{soft: {{spread: 9d}}}}", SOFT) is None


@case("suppression.soft.suppress_for")
def soft_suppress_for():
    assert days_after("suppression: {{soft: {{suppress_for: 4d}}}}", SOFT) == 4


def domains(extra, kind):
    log = "".join(sent(60, f"4{i}", f"a@d{i}.example") for i in range(6))
    w = World(extra, log).ok()
    fields = [f for k in w.redis("KEYS", w.prefix + "{n:mx}:" + kind + ":*").splitlines()
              for f in w.redis("HKEYS", k).splitlines()]
    return sorted(f for f in fields if f.startswith("domain|") and f.count("|") == 1)


@case("counters", "counters.keys_per_minute")
def keys_per_minute():
    assert len(domains("", "m")) == 6
    assert domains("counters: {{keys_per_minute: 2}}", "m") == ["domain|d0.example", "domain|d1.example", "domain|~other"]
    assert len(domains("counters: {{keys_per_minute: 2}}", "h")) == 6


@case("counters.keys_per_hour")
def keys_per_hour():
    assert len(domains("counters: {{keys_per_hour: 3}}", "h")) == 4
    assert len(domains("counters: {{keys_per_hour: 3}}", "d")) == 6


@case("counters.keys_per_day")
def keys_per_day():
    assert len(domains("counters: {{keys_per_day: 1}}", "d")) == 2


@case("counters.recent")
def recent():
    def kept(extra):
        w = World(extra)
        for i in range(3):
            w.write(w.log, "".join(line(60, f"4{i}{j}", f"a{j}@example.net") for j in range(20)), "a")
            w.ok()
        return int(w.redis("XLEN", w.prefix + "{n:mx}:recent"))
    assert kept("") == 60
    assert kept("counters: {{recent: 5}}") == 5


def ttl(extra, kind):
    w = World(extra, sent(60, "4A", "a@example.net")).ok()
    key = next(k for k in w.redis("KEYS", w.prefix + "{n:mx}:" + kind + ":*").splitlines() if k)
    return int(w.redis("TTL", key)) / HOUR


@case("retention", "retention.minutes")
def retention_minutes():
    assert 25 < ttl("", "m") < 26.1
    assert 3 < ttl("retention: {{minutes: 4h}}", "m") < 4.1
    w = World("retention: {{minutes: 4h}}", sent(5 * HOUR + 60, "4A", "a@example.net") + sent(60, "4B", "b@example.net")).ok()
    assert w.stats("--since", "6h")["outcomes"]["delivered"] == 2, "stats knows that minutes are gone, and takes hours"


@case("retention.hours")
def retention_hours():
    assert 39 * 24 < ttl("", "h") < 40 * 24 + 1
    assert 4 * 24 < ttl("retention: {{hours: 5d}}", "h") < 5 * 24 + 1


@case("retention.days")
def retention_days():
    assert 399 * 24 < ttl("", "d") < 401 * 24
    assert 499 * 24 < ttl("retention: {{days: 500d}}", "d") < 501 * 24
    w = World("retention: {{days: 500d}}", sent(450 * DAY, "4A", "a@example.net")).ok()
    day = (NOW - 450 * DAY) // DAY
    assert w.keys(f"{{n:mx}}:d:{day}") and w.redis("ZSCORE", w.prefix + "{n:mx}:days", str(day)) == str(day)
    w = World("", sent(450 * DAY, "4A", "a@example.net")).ok()
    assert w.keys("{n:mx}:d:old")
    # no whole days: the last day that is kept for an hour more; in whole days it was written and deleted at once
    kept = 7 * DAY + NOW % DAY + HOUR
    w = World(f"retention: {{{{hours: 7d, days: {kept}s}}}}", sent(NOW % DAY + 8 * DAY - 60, "4A", "a@example.net")).ok()
    assert w.keys(f"{{n:mx}}:d:{NOW // DAY - 8}"), w.redis("KEYS", w.prefix + "{n:mx}:d:*")
    assert w.stats()["outcomes"]["delivered"] == 1 and w.ok(command=("verify",))


# --- the machinery

def serve(path, *more):
    process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
                                "--stream-node-max-entries", "1", *more], stdout=subprocess.DEVNULL)
    wait(lambda: subprocess.run(["redis-cli", "-s", path, "ping"], capture_output=True, text=True).stdout == "PONG\n",
         what="redis-server")
    return process


REDIS, OTHER = ROOT + "/r.sock", ROOT + "/o.sock"


def try_case(keys, fn):
    try:
        fn()
        return None
    except BaseException:
        return f"FAILED: {', '.join(keys)}\n{traceback.format_exc()}"


def main():
    servers = [serve(REDIS), serve(OTHER)]
    failed = 0
    try:
        subprocess.run(["redis-cli", "-s", REDIS, "ACL", "SETUSER", "writer", "on", ">swordfish", "~*", "&*", "+@all"],
                       check=True, stdout=subprocess.DEVNULL)
        listed = {row.split()[0] for row in subprocess.run([BL, "check-config", "--keys"], capture_output=True, text=True,
                                                           check=True).stdout.splitlines()}
        without = listed - {key for keys, _ in cases for key in keys}
        if without:
            print("FAILED: no case for", ", ".join(sorted(without)))
            failed = 1
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for trouble in pool.map(lambda one: try_case(*one), cases):
                if trouble:
                    print(trouble)
                    failed = 1
    finally:
        for server in servers + [d for d in daemons if d.poll() is None]:
            server.terminate()
            server.wait()
        shutil.rmtree(ROOT, ignore_errors=True)
    return failed


sys.exit(main())
