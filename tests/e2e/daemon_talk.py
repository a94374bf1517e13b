"""SIGHUP, sd_notify and the log of the running daemon.  Started by 51-daemon.sh."""
import ctypes, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, traceback

BL = os.path.abspath(sys.argv[1])
ROOT = tempfile.mkdtemp()
REDIS = ROOT + "/r.sock"
libc = ctypes.CDLL(None, use_errno=True)


def wait(until, what, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        got = until()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")


def line(i, to, result="sent", dsn="2.0.0", reply="250 2.0.0 Ok", relay="mx.example.net[192.0.2.1]:25"):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 5))
    return (f"{stamp} mx postfix/smtp[9]: {i + 0x100000:X}: to=<{to}>, relay={relay}, delay=1, delays=0/0/0/1, "
            f"dsn={dsn}, status={result} ({reply})\n")


def bounce(i, to, words="550 5.1.1 User unknown"):
    return line(i, to, "bounced", "5.1.1", f"host mx.example.net[192.0.2.1] said: {words} (in reply to RCPT TO command)")


RULE = """[specific]
parrot: "blue parrot" -> policy-rejected ; a test's own
    = 550 the blue parrot is asleep
"""


class Daemon:
    count, all = 0, []

    def __init__(self, config="", env=None, log=""):
        Daemon.count += 1
        Daemon.all.append(self)
        self.prefix = f"d{Daemon.count}:"
        self.dir = f"{ROOT}/{Daemon.count}"
        os.mkdir(self.dir)
        self.log = self.dir + "/mail.log"
        open(self.log, "w").write(log)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.dir + "/notify")
        self.told = []
        threading.Thread(target=self.listen, daemon=True).start()
        self.configure(config)
        self.err = self.dir + "/err"
        self.process = subprocess.Popen([BL, "run", "-c", self.dir + "/c.yaml"], stderr=open(self.err, "w"),
                                        stdout=subprocess.DEVNULL,
                                        env={**os.environ, "NOTIFY_SOCKET": self.dir + "/notify", **(env or {})})

    def configure(self, text, sources=None):
        new = self.dir + "/c.yaml.new"
        open(new, "w").write(f"node: mx\nstate: {self.dir}/state\nsources: [{self.log if sources is None else sources}]\n"
                             f"redis: {{url: 'unix:{REDIS}', prefix: '{self.prefix}'}}\n{text}\n")
        os.rename(new, self.dir + "/c.yaml")

    def listen(self):
        while True:
            text = self.notify.recv(4096).decode()
            self.told.append((time.time(), text))

    def heard(self, word, since=0):
        return [at for at, text in self.told if word in text and at >= since]

    def said(self):
        return open(self.err).read()

    def reload(self, text, say, sources=None):
        """Sends SIGHUP and waits for systemd's and our own word that it is through."""
        before, begin = self.said().count(say), time.time()
        self.configure(text, sources)
        self.process.send_signal(signal.SIGHUP)
        wait(lambda: self.said().count(say) > before, say)
        reloading = wait(lambda: self.heard("RELOADING=1\nMONOTONIC_USEC=", begin), "RELOADING=1")
        wait(lambda: self.heard("READY=1", reloading[0]), "READY=1 behind RELOADING=1")

    def append(self, text):
        with open(self.log, "a") as log:
            log.write(text)

    def redis(self, *words):
        return subprocess.run(["redis-cli", "-s", REDIS, *words], capture_output=True, text=True).stdout.strip()

    def total(self, outcome, of="all|*"):
        days = [k for k in self.redis("KEYS", self.prefix + "{n:mx}:d:*").splitlines() if k]
        return sum(int(self.redis("HGET", k, f"{of}|{outcome}") or 0) for k in days)

    def until(self, address):
        text = self.redis("GET", f"{self.prefix}{{p00}}:s:{address}")
        return text and (int(text.split()[4]) / 1000 - time.time()) / 86400

    def rule(self, address):
        return self.redis("GET", f"{self.prefix}{{p00}}:a:{address}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, (code, self.said())
        return self

    def thread(self, name):
        tasks = f"/proc/{self.process.pid}/task"
        return next(int(t) for t in os.listdir(tasks) if open(f"{tasks}/{t}/comm").read().strip() == name)


def rules_file(d, text):
    os.makedirs(d.dir + "/rules.d", exist_ok=True)
    open(d.dir + "/rules.d/own.rules", "w").write(text)


def reload_under_load():
    """Counts are exact while configuration and rules change all the time; bad files change nothing."""
    d = Daemon()
    n = {"sent": 0, "bounced": 0}
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            text = ""
            for _ in range(400):
                i += 1
                bad = i % 50 == 0
                text += bounce(i, f"u{i}@d{i % 9}.example") if bad else line(i, f"u{i}@d{i % 9}.example")
                n["bounced" if bad else "sent"] += 1
            d.append(text)
            time.sleep(0.01)

    wait(lambda: "Redis is there" in d.said(), "start")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        rules_file(d, "")
        took = "the configuration was taken over"
        kept = "the configuration stays as it was"
        for turn in range(6):
            rules_file(d, RULE.replace("blue parrot", f"blue parrot of turn {turn}"))
            d.reload(f"suppression: {{first: {turn + 1}d}}\nrules: {d.dir}/rules.d\nrelays: [r{turn}.example]", took)
            d.reload("suppression: {first: 1}\n", kept)
            d.reload("node: [\n", kept)
            rules_file(d, "this is no rule\n")
            d.reload(f"rules: {d.dir}/rules.d", kept)
            rules_file(d, "")
    finally:
        stop.set()
        writer.join()
    d.append(bounce(1, "last@d.example"))
    wait(lambda: d.until("last@d.example"), "the last line counted", 60)
    assert 5.9 < d.until("last@d.example") <= 6, "the number of the last good reload holds"
    d.append(line(2, "x@d.example", relay="r5.example[192.0.2.9]:25"))
    wait(lambda: d.total("relayed") == 1, "the relays of the last good reload hold")
    for _ in range(40):  # many at once become few
        d.process.send_signal(signal.SIGHUP)
    d.stop()
    print(f"  {n['sent'] + n['bounced']} lines under {6 * 4} reloads")
    assert (d.total("delivered"), d.total("bounced")) == (n["sent"], n["bounced"] + 1), n
    assert re.search(r"stays as it was: \S*c\.yaml:\d+:\d+: suppression.first takes", d.said()), "the place is said"
    assert re.search(r"stays as it was: \S*own\.rules:1:\d+", d.said()), "also in rules"


def reload_changes_rules_and_level():
    d = Daemon("log_level: warning")
    words = "550 5.1.1 the blue parrot is asleep"
    d.append(bounce(1, "a@d.example", words))
    wait(lambda: d.until("a@d.example"), "counted")
    rules_file(d, RULE)
    d.reload(f"rules: {d.dir}/rules.d\nlog_level: info", "the configuration was taken over")
    d.append(bounce(2, "b@d.example", words))
    wait(lambda: d.total("bounced") == 2, "counted")
    assert not d.until("b@d.example"), "by the operator's rule nobody is suppressed for it"
    d.stop()
    assert "stopped; 2 lines" in d.said(), "log_level was taken over"


def logs_come_and_go():
    """New matches of a pattern are read from their first byte, under load, `from: end` or not; sources that a reload
    brings and takes away; a rotated file is no new log; what is left is closed, and its join is whole again when it is
    back: that fails when follow_plan.c and stage.c go by the positions of a snapshot that has not its join."""
    d = Daemon()
    hosts = d.dir + "/hosts"
    pattern = f"{{files: {hosts}/*/mail.log*, from: end}}"
    one, two, late = (d.dir + name for name in ("/one.log", "/two.log", "/late.log"))
    written = [0]

    def put(path, n):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a") as log:
            log.write("".join(line(written[0] + i, f"u{i}@d.example") for i in range(n)))
        written[0] += n

    def counted(what):
        wait(lambda: d.total("delivered") == written[0], f"{what}: {d.total('delivered')} of {written[0]}")

    def for_a_snapshot(path):
        for _ in range(14):
            put(path, 1)
            time.sleep(0.5)

    def is_open(path):
        fds = f"/proc/{d.process.pid}/fd"
        names = [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds) if os.path.lexists(f"{fds}/{fd}")]
        return any(name.removesuffix(" (deleted)") == path for name in names)

    def sources(*names, say="the configuration was taken over"):
        d.reload("", say, sources=", ".join(names))

    try:
        wait(lambda: "Redis is there" in d.said(), "start")
        sources(d.log, pattern)
        wait(lambda: f"nothing matches '{hosts}/*/mail.log*' yet" in d.said(), "an empty pattern is said")
        put(hosts + "/a/mail.log", 30)
        put(d.log, 5)
        counted("a new log")
        os.rename(hosts + "/a/mail.log", hosts + "/a/mail.log.1")
        put(hosts + "/a/mail.log", 10)
        for name in "bcde":
            put(f"{hosts}/{name}/mail.log", 1000)
        for _ in range(200):  # while runs change
            put(hosts + "/a/mail.log", 50)
            put(d.log, 20)
            time.sleep(0.03)
        counted("four more under load")
        assert d.said().count("a new log is followed: ") == 5, d.said()
        with open(hosts + "/a/mail.log", "a") as log:  # its recipient is known to this log's join alone
            log.write(line(0xE0000, "u@late.example", "deferred", "4.2.2", "host mx.example.net[192.0.2.1] said: 452 4.2.2 "
                           "Mailbox full (in reply to RCPT TO command)"))
        for_a_snapshot(d.log)
        put(one, 7)
        sources(d.log, one, late)
        counted("a named one")
        wait(lambda: not is_open(hosts + "/b/mail.log"), "what is left is closed")
        assert d.said().count("a log is not followed any more: ") == 5 and is_open(one), d.said()
        with open(hosts + "/a/mail.log", "a") as log:
            log.write(line(written[0], "x@d.example"))
            log.write(line(0, "").split(" postfix")[0] +
                      f" postfix/qmgr[9]: {0xE0000 + 0x100000:X}: from=<s@e.example>, status=expired, returned to sender\n")
        put(late, 3)
        for_a_snapshot(one)  # without that log
        counted("one that was waited for")
        sources("nonsense", say="the configuration stays as it was: ")
        sources(say="the configuration stays as it was: ")
        put(one, 5)
        counted("after bad ones")
        sources(d.log, one, late, two, pattern)  # `a` goes on where it was: a line was missed
        written[0] += 1
        put(two, 4)
        counted("back again")
        wait(lambda: d.total("expired", "domain|late.example") == 1, "what was deferred before it was left is given up when it is back")
    finally:
        d.stop()
    assert subprocess.run([BL, "verify", "-c", d.dir + "/c.yaml"], stdout=subprocess.DEVNULL).returncode == 0


def a_log_that_vanished_is_left():
    """Its folder was removed: nothing of it is kept; when it is back it is a new file."""
    d = Daemon(env={"BOUNCELINE_TEST": "vacant-soon"})
    folder = d.dir + "/hosts/a"

    def put(first):
        os.makedirs(folder, exist_ok=True)
        open(folder + "/mail.log", "w").write("".join(line(first + i, "u@d.example") for i in range(10)))

    try:
        wait(lambda: "Redis is there" in d.said(), "start")
        put(0)
        d.reload("", "the configuration was taken over", sources=f"{d.log}, {d.dir}/hosts/*/mail.log")
        wait(lambda: d.total("delivered") == 10, "counted")
        shutil.rmtree(folder)
        wait(lambda: f"a log is not followed any more: {folder}/mail.log" in d.said(), "left")
        fds = f"/proc/{d.process.pid}/fd"
        wait(lambda: not any("deleted" in os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)), "closed")
        put(100)
        wait(lambda: d.total("delivered") == 20, "counted again")
        assert d.said().count("a log is not followed") == 1, "what is named by its path stays"
    finally:
        d.stop()


def the_most_logs():
    """256 logs are followed; what is over that is counted, and takes the place of one that goes."""
    d = Daemon()
    for i in range(259):
        os.makedirs(f"{d.dir}/hosts/{i:03}")
        with open(f"{d.dir}/hosts/{i:03}/mail.log", "w") as log:
            log.write(line(i, "u@d.example"))
    try:
        wait(lambda: "Redis is there" in d.said(), "start")
        d.reload("", "the configuration was taken over", sources=f"{d.log}, {d.dir}/hosts/*/mail.log")
        wait(lambda: "4 logs that match are not followed: 256 are the most" in d.said(), d.said)
        wait(lambda: d.total("delivered") == 255, lambda: d.total("delivered"), 240)
        wait(lambda: d.heard("following 256 logs (4 more match)"), "systemd hears it")
        d.reload("", "the configuration was taken over", sources=f"{d.dir}/hosts/*/mail.log")
        wait(lambda: d.total("delivered") == 256, lambda: d.total("delivered"), 240)
        assert "3 logs that match" not in d.said(), "fewer are not said"
    finally:
        d.stop()


def restart_is_named():
    d = Daemon()
    wait(lambda: "Redis is there" in d.said(), "start")
    d.reload("threads: 7\nretention: {days: 20d, hours: 10d}", "these changes need a restart: threads, retention.hours, "
                                                               "retention.days")
    d.stop()


def systemd_hears():
    d = Daemon(env={"WATCHDOG_USEC": "4000000"})
    ready = wait(lambda: d.heard("READY=1"), "READY")
    wait(lambda: d.heard("STATUS=following 1 log,"), "a status")
    wait(lambda: len(d.heard("WATCHDOG=1")) >= 2, "the watchdog is fed")
    assert ready[0] <= d.heard("STATUS=following")[0]
    d.stop()
    assert d.heard("STOPPING=1")
    assert "NOTIFY_SOCKET" not in open(f"/proc/self/environ").read()
    other = Daemon(env={"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"})
    wait(lambda: other.heard("READY=1"), "READY")
    time.sleep(2.5)
    assert not other.heard("WATCHDOG=1"), "another process's watchdog"
    other.stop()


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def ptrace(request, tid):
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, tid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def a_thread_that_hangs_ends_the_feeding(name):
    """One thread is held still by ptrace; nothing else is.  Control: the loop goes on (it answers SIGHUP), and once
    the thread is let go, the feeding goes on.  With the look at the pipeline taken out of feed_watchdog() this
    fails: fed on by the loop alone."""
    d = Daemon("threads: 2", env={"WATCHDOG_USEC": "4000000"})
    wait(lambda: len(d.heard("WATCHDOG=1")) >= 2, "fed")
    tid = d.thread(name)
    try:
        ptrace(PTRACE_SEIZE, tid)
    except OSError as trouble:
        d.stop()
        print("  skipped:", trouble)
        return
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, 0x40000000)  # __WALL
    held = time.time()
    wait(lambda: "a thread hangs" in d.said(), "said that it hangs")
    fed = d.heard("WATCHDOG=1", held + 2.5)
    d.process.send_signal(signal.SIGHUP)
    wait(lambda: d.heard("RELOADING=1", held), "the loop is alive")
    ptrace(PTRACE_DETACH, tid)
    assert not fed, f"fed {len(fed)} times while a {name} hung"
    wait(lambda: d.heard("WATCHDOG=1", time.time() - 1), "fed again")
    d.stop()


def a_dead_redis_does_not_end_the_feeding():
    server = serve(ROOT + "/gone.sock")
    d = Daemon(env={"WATCHDOG_USEC": "4000000", "BOUNCELINE_REDIS": f"unix:{ROOT}/gone.sock"})
    wait(lambda: d.heard("STATUS=following"), "start")
    server.kill()
    server.wait()
    d.append("".join(bounce(i, f"u{i}@d.example") for i in range(200000)))
    wait(lambda: d.heard("STATUS=waiting for Redis"), "said")
    gone = time.time()
    time.sleep(6)
    assert len(d.heard("WATCHDOG=1", gone)) >= 4
    lines = [text for text in d.said().splitlines() if "warning" in text or "error" in text]
    assert len(lines) <= 2, ("one line per change of state", lines)
    d.process.kill()
    d.process.wait()


def first_start_is_quiet():
    """Nothing was ever there: no alarm about snapshots, also when Redis goes before the first one was written.
    Control: a state directory that was lost is said.  Fails when every start without a snapshot is said."""
    server = serve(ROOT + "/blink.sock")
    env = {"BOUNCELINE_REDIS": f"unix:{ROOT}/blink.sock"}
    d = Daemon(env=env, log=bounce(1, "a@d.example"))
    wait(lambda: subprocess.run(["redis-cli", "-s", ROOT + "/blink.sock", "HLEN", d.prefix + "{n:mx}:t"], capture_output=True,
                                text=True).stdout.strip() not in ("", "0"), "counted")
    subprocess.run(["redis-cli", "-s", ROOT + "/blink.sock", "CLIENT", "KILL", "TYPE", "normal"], capture_output=True)
    wait(lambda: d.said().count("Redis is there") == 2, "back")
    assert "snapshot" not in d.said(), d.said()
    d.append(("noise " * 700 + "\n") * 17000)  # more than is read back for a join that begins cold
    d.append("".join(line(i, f"u{i}@d.example") for i in range(20000)))
    wait(lambda: subprocess.run(["redis-cli", "-s", ROOT + "/blink.sock", "HGET", d.prefix + "{n:mx}:d:" +
                                 str(int(time.time() - 5) // 86400), "all|*|delivered"], capture_output=True,
                                text=True).stdout.strip() == "20000", "counted")
    d.stop()
    shutil.rmtree(d.dir + "/state")
    d.process = subprocess.Popen([BL, "run", "-c", d.dir + "/c.yaml"], stderr=open(d.err, "w"), env={**os.environ, **env})
    wait(lambda: "no join snapshot fits" in d.said(), "the loss is said")
    d.process.terminate()
    d.process.wait()
    server.terminate()
    server.wait()


def the_log():
    """Stamps without the journal, prefixes with it, no mailbox in the clear, repeats counted."""
    d = Daemon()
    wait(lambda: "Redis is there" in d.said(), "start")
    d.redis("SET", d.prefix + "{p00}:a:ana@example.net", "no record")
    d.append(bounce(1, "ana@example.net"))
    wait(lambda: "a***@example.net" in d.said(), "a line about an address")
    assert "ana@" not in d.said(), d.said()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ bounceline: ", text) for text in d.said().splitlines()), d.said()
    d.process.kill()
    d.process.wait()
    path = d.dir + "/journal"
    with open(path, "w") as err:
        st = os.fstat(err.fileno())
        done = subprocess.run([BL, "run", "--state", d.dir + "/s2", "--redis", f"unix:{REDIS}", "--node", "{bad}", d.log],
                              stderr=err, env={**os.environ, "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    assert re.match(r"<3>[^\n]*node name", open(path).read()), open(path).read()
    with open(path, "w") as err:  # inherited, but stderr is another file by now
        subprocess.run([BL, "run", "--state", d.dir + "/s2", "--redis", f"unix:{REDIS}", "--node", "{bad}", d.log],
                       stderr=err, env={**os.environ, "JOURNAL_STREAM": "1:2"})
    assert not open(path).read().startswith("<"), open(path).read()


servers = []


def serve(path):
    process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"],
                               stdout=subprocess.DEVNULL)
    servers.append(process)
    wait(lambda: subprocess.run(["redis-cli", "-s", path, "ping"], capture_output=True, text=True).stdout == "PONG\n", "redis")
    return process


def main():
    serve(REDIS)
    failed = 0
    only = sys.argv[2:]
    for name, fn in [("reload under load", reload_under_load), ("reload changes rules and level", reload_changes_rules_and_level),
                     ("logs come and go", logs_come_and_go), ("the most logs", the_most_logs),
                     ("a log that vanished", a_log_that_vanished_is_left),
                     ("a restart is named", restart_is_named), ("systemd hears", systemd_hears),
                     ("a worker hangs", lambda: a_thread_that_hangs_ends_the_feeding("worker")),
                     ("the stage hangs", lambda: a_thread_that_hangs_ends_the_feeding("stage")),
                     ("a dead Redis", a_dead_redis_does_not_end_the_feeding), ("first start", first_start_is_quiet),
                     ("the log", the_log)]:
        if name not in only if only else name == "the most logs":  # 256 joins take their time under asan
            continue
        print(name, flush=True)
        try:
            fn()
        except BaseException:
            print("FAILED:", name)
            traceback.print_exc(file=sys.stdout)
            failed = 1
        for d in Daemon.all:
            d.process.kill()
            d.process.wait()
    for server in servers:
        server.kill()
        server.wait()
    shutil.rmtree(ROOT, ignore_errors=True)
    return failed


sys.exit(main())
