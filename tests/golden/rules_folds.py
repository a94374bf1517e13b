#!/usr/bin/env python3
"""How good the rules are on labelled replies, and how well they may do on others.

    rules_folds.py [--build DIR] [--replies TSV] [--list] [--confusion] [--phase P]

Prints accuracy, wrong and missed suppressions, macro recall.  Then generalisation: replies are put into
clusters of similar ones, clusters into five folds; for each fold every alternative (what stands between `|`)
that decides no reply outside the fold is taken away, rules and rows of codes.tsv alike, and the fold is
judged by what is left.  `by rule` takes away whole rules instead.  Last, how many rules decide one reply: at
most a quarter may (--single).
--confusion prints the table, --list every reply that differs, here or in its fold.
"""
import argparse, collections, glob, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
FOLDS = 5


def words(text):
    """What stays of a reply when it is about another address."""
    text = re.sub(r"https?://\S+|\S+@\S+|<[^>]*>|\[[^]]*\]", " ", text.lower())
    text = re.sub(r"\b[\w-]+(\.[\w-]+)+\b", " ", text)
    return frozenset(w for w in re.findall(r"[^\W\d_]{2,}", text))


def clusters(rows):
    """Union of replies with the same words, or with 70 % of them in common, or one within the other."""
    parent = list(range(len(rows)))

    def find(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    sets = [words(r["text"]) or frozenset([r["text"]]) for r in rows]
    for i, a in enumerate(sets):
        for j in range(i):
            b = sets[j]
            common = len(a & b)
            if common and (common >= 0.7 * len(a | b) or (common >= 4 and common >= 0.9 * min(len(a), len(b)))):
                parent[find(i)] = find(j)
    return [find(i) for i in range(len(rows))]


def folds_of(rows):
    """Largest clusters first, each into the fold that is emptiest."""
    cluster = clusters(rows)
    size = collections.Counter(cluster)
    load, fold = [0] * FOLDS, {}
    for c, n in sorted(size.items(), key=lambda x: (-x[1], x[0])):
        fold[c] = load.index(min(load))
        load[fold[c]] += n
    return [fold[c] for c in cluster], len(size)


class Rules:
    def __init__(self, build, replies, phase):
        self.files = sorted(glob.glob(os.path.join(ROOT, "core", "rules", "*.rules")) +
                            glob.glob(os.path.join(ROOT, "core", "rules", "*.tsv")))
        self.command = [os.path.join(build, "tests", "rules_score"), *self.files, "--", replies]
        self.command += [phase] if phase else []

    def judge(self, left_out=()):
        done = subprocess.run(self.command, input="".join(k + "\n" for k in left_out), text=True,
                              stdout=subprocess.PIPE, check=True, errors="replace")
        names = "id want want_type got type action rule place".split()
        return [dict(zip(names, line.split("\t"))) for line in done.stdout.splitlines()]

    def all_places(self):
        """Every alternative, FILE:LINE:COLUMN, and the rule that it belongs to."""
        done = subprocess.run(self.command[:self.command.index("--") + 1], input="", text=True,
                              stdout=subprocess.PIPE, check=True)
        return dict(line.split("\t") for line in done.stdout.splitlines())


def right(r):
    return r["got"] == r["want"]


def score(rows):
    n = len(rows)
    hard = lambda r: r["want_type"] == "hard" and r["want"] != "previously-bounced"
    return {
        "n": n,
        "category": sum(map(right, rows)) / n,
        "type": sum(r["type"] == r["want_type"] for r in rows) / n,
        "false": sum(r["action"] == "suppress" and r["want_type"] != "hard" for r in rows),
        "missed": sum(r["action"] != "suppress" and hard(r) for r in rows),
        "unclassified": sum(r["got"] == "unclassified" for r in rows),
    }


def recall(rows):
    by = collections.defaultdict(list)
    for r in rows:
        by[r["want"]].append(right(r))
    return {c: (sum(v), len(v)) for c, v in by.items()}


def show(name, rows):
    s = score(rows)
    r = recall(rows)
    macro = sum(a / b for a, b in r.values()) / len(r)
    hard = sum(x["want_type"] == "hard" for x in rows) or 1
    print("%-28s %5d replies  category %.4f  type %.4f  macro recall %.3f  false suppress %d (%.4f)  "
          "missed %d (%.4f)  unclassified %d" % (name, s["n"], s["category"], s["type"], macro, s["false"],
                                                 s["false"] / s["n"], s["missed"], s["missed"] / hard,
                                                 s["unclassified"]))
    return s


def confusion(rows):
    table = collections.Counter((r["want"], r["got"]) for r in rows)
    print("\nwanted                  recall        got instead")
    for want, (good, n) in sorted(recall(rows).items(), key=lambda x: -x[1][1]):
        others = ", ".join("%s %d" % (g, k) for (w, g), k in table.most_common() if w == want and g != want)
        print("%-23s %4d/%-4d %4.2f  %s" % (want, good, n, good / n, others))


def in_folds(rules, fold, full, group):
    """Each fold judged without what only it needs; `group` says what is taken away together."""
    judged = [None] * len(fold)
    places = {p: group(p) for p in rules.all_places()}
    for k in range(FOLDS):
        needed = {group(r["place"]) for r, f in zip(full, fold) if f != k}
        result = rules.judge(p for p, g in places.items() if g not in needed)
        for i, f in enumerate(fold):
            if f == k:
                judged[i] = result[i]
    return judged


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", default=os.path.join(ROOT, "build", "dev"))
    ap.add_argument("--replies", default=os.path.join(os.environ.get("BL_SHARED", os.path.join(ROOT, "..", "shared")),
                                                      "data", "replies-dev.tsv"))
    ap.add_argument("--phase", default="")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--confusion", action="store_true")
    ap.add_argument("--single", type=float, default=1, help="exit 1 when more of the rules than that decide one reply")
    ap.add_argument("--floor", type=float, default=0, help="exit 1 when the mean by alternative is below")
    args = ap.parse_args()
    if not os.path.exists(args.replies):
        print("skipped: no", args.replies)
        return 77
    with open(args.replies, errors="replace", newline="\n") as f:
        names = f.readline().rstrip("\n").split("\t")
        rows = [dict(zip(names, line.rstrip("\n").split("\t"))) for line in f]
    rules = Rules(args.build, args.replies, args.phase)
    full = rules.judge()
    show("all rules", full)
    fold, n_clusters = folds_of(rows)
    ids = rules.all_places()
    rule = lambda place: ids[place]
    one = in_folds(rules, fold, full, lambda p: p)
    many = in_folds(rules, fold, full, rule)
    text = in_folds(rules, fold, full, lambda p: "kept" if p.startswith("codes.tsv") else p)
    means = []
    for name, judged in (("folds by alternative", one), ("  the same, codes kept", text), ("folds by rule", many)):
        show(name, judged)
        each = [score([r for r, f in zip(judged, fold) if f == k])["category"] for k in range(FOLDS)]
        means.append(sum(each) / FOLDS)
        print("%28s mean %.4f  (%s); %d clusters" % ("", means[-1], " ".join("%.3f" % e for e in each), n_clusters))
    words = lambda r: not r.startswith("codes.tsv")
    shares = {}
    for name, key, of in (("rules of words", rule, words), ("rules of words and codes", rule, lambda p: True),
                          ("alternatives of words", lambda p: p, words)):
        used = collections.Counter(key(r["place"]) for r in full if of(r["place"]))
        known = {key(p) for p in ids if of(p)}
        single = sum(n == 1 for n in used.values())
        shares[name] = single / len(used)
        print("%-28s %d decide a reply, %d of them exactly one: %.3f (%.3f of all %d)" % (
            name, len(used), single, single / len(used), single / len(known | set(used)), len(known | set(used))))
    if args.confusion:
        confusion(full)
        print("\nin the folds, by alternative:")
        confusion(one)
    if args.list:
        for row, a, b in zip(rows, full, one):
            if not right(a) or a["type"] != a["want_type"] or not right(b) or b["action"] != a["action"]:
                print("%s %s want %s/%s all %s/%s %s fold %s/%s %s | %s" % (
                    "DIFF" if not right(a) else "type" if a["type"] != a["want_type"] else "fold", row["id"],
                    a["want"], a["want_type"], a["got"], a["type"], a["rule"], b["got"], b["type"], b["rule"],
                    row["text"][:300]))
    return 1 if means[0] < args.floor or shares["rules of words and codes"] > args.single else 0


sys.exit(main())
