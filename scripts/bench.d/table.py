"""The medians of a bench, their ratios, and what is aimed at: table.py FIGURES text|markdown|compare|postgresql|failing [LEAST].

FIGURES has lines of METRIC SERVER FIGURE. With LEAST, 0.6 for example, only what is below that part of a target fails; `failing`
prints the metrics that do, and nothing else.
"""

import statistics
import sys
from dataclasses import dataclass

# By distribution 3's figure, in one run elsewhere (see NOTES); so that a target against the best of them needs neither of them here.
ZOT_PULL, ZOT_PULL_CPU, ZOT_PUT, ZOT_PUT_CPU = 1005 / 854, 1.08 / 1.24, 440 / 422, 2.19 / 2.23
ZOT_PATCH, ZOT_CHUNKS, ANGOS_CONNECTIONS = 411 / 404, 406 / 390, 2372 / 1926

NOTES = f"""\
zot 2.1.20 (`commit: true`) and angos 1.6 (`sync_to_disk`) are not part of this run. Measured once elsewhere, on two cores, as factors
of distribution 3: zot's pull of 1 GiB {ZOT_PULL:.2f} (with {ZOT_PULL_CPU:.2f} of its CPU time), PUT {ZOT_PUT:.2f} ({ZOT_PUT_CPU:.2f}), PATCH {ZOT_PATCH:.2f}, in chunks {ZOT_CHUNKS:.2f}; angos' new
connections {ANGOS_CONNECTIONS:.2f}. A target against the best of them is that factor times what is aimed at: 1.1x of zot's pull is {1.1 * ZOT_PULL:.2f}x of distribution 3.
In all other rows distribution 3 was ahead of both, or nginx is the one to reach.
The peers ask for no login; portcullis checks a token on every request. All are durable as they come: distribution 3 and
docker-registry 2.8.2 sync a file when it is complete, the probe as portcullis does. nginx serves plain files, with
its defaults but for the number of requests that a connection may have."""

SERVERS = {"ours": "portcullis", "distribution": "distribution 3", "nginx": "nginx", "debian": "docker-registry 2.8.2", "probe": "the probe"}


@dataclass
class Rule:
    """Ours, by a figure of another server (`distribution`), of ours (`ours:manifest`), or by nothing (a limit)."""

    reference: str
    bound: str
    factor: float
    cpu: bool = False

    def of(self, row, figures):
        """What is reached, and whether that is enough for `least` of the target; nothing where it was not measured."""
        metric = row.metric + ("_cpu" if self.cpu else "")
        ours = figures.get((metric, "ours"))
        server, _, other = self.reference.partition(":")
        base = 1 if not self.reference else figures.get((other or metric, server))
        if ours is None or not base:
            return None
        return ours / base

    def holds(self, reached, least):
        return reached >= self.factor * least if self.bound == ">=" else reached <= self.factor / least

    def text(self):
        of = {"": "", "ours:manifest": "x with a token"}.get(self.reference) or (f"x {SERVERS[self.reference]}" if self.reference else "")
        return f"{'CPU ' if self.cpu else ''}{self.bound} {self.factor:.3g}{of}"

    def reached_text(self, reached):
        return f"{'CPU ' if self.cpu else ''}{number(reached)}{'x' if self.reference else ''}"


@dataclass
class Short:
    """A target that is missed, and whether the run fails by it."""

    metric: str
    line: str
    fails: bool


@dataclass
class Row:
    metric: str
    title: str
    rules: list


def at_least(reference, factor):
    return Rule(reference, ">=", factor)


def at_most(reference, factor):
    return Rule(reference, "<=", factor)


def cpu(factor, reference="distribution"):
    return Rule(reference, "<=", factor, cpu=True)


ROWS = [
    Row("manifest", "manifest GET, req/s (CPU us)", [at_least("distribution", 8), at_least("nginx", 0.8)]),
    Row("manifest_p99", "  its 99th percentile, ms", []),
    Row("password", "  with a password", [at_least("ours:manifest", 0.8)]),
    Row("head", "manifest HEAD, req/s (us)", [at_least("nginx", 1)]),
    Row("blob", "blob GET 4 KiB, req/s (us)", [at_least("nginx", 0.8)]),
    Row("range", "range GET 64 KiB, req/s (us)", [at_least("nginx", 1)]),
    Row("connections", "new TLS connections, req/s (us)", [at_least("distribution", 1.1 * ANGOS_CONNECTIONS), at_least("nginx", 1.1)]),
    Row("pull", "blob GET, MB/s (CPU s/GiB)", [at_least("distribution", 1.1 * ZOT_PULL), at_least("nginx", 1.1), cpu(0.85 * ZOT_PULL_CPU)]),
    Row("pull4", "  4 streams", [at_least("distribution", 1.1)]),
    Row("first", "  first after its push", []),
    Row("put", "blob PUT, MB/s (CPU s/GiB)", [at_least("distribution", 1.5 * ZOT_PUT), cpu(0.8 * ZOT_PUT_CPU)]),
    Row("patch", "streamed PATCH, MB/s (s/GiB)", [at_least("distribution", 1.5 * ZOT_PATCH), cpu(0.8)]),
    Row("chunks", "PATCH in 16 MiB chunks (s/GiB)", [at_least("distribution", 1.4 * ZOT_CHUNKS)]),
    Row("images1", "200 small images pushed, s (ms)", [at_most("distribution", 0.5)]),
    Row("images4", "  by 4 clients", [at_most("distribution", 0.35)]),
    Row("pulls", "200 small images pulled, s (ms)", [at_most("distribution", 0.35)]),
    Row("start", "start to the first answer, ms", [at_most("", 50)]),
    Row("idle", "memory, idle, MiB", [at_most("", 40)]),
    Row("peak", "  peak, large push and pull", [at_most("", 64)]),
    Row("peak_small", "  peak, small requests and images", [at_most("distribution", 0.35)]),
]

# The metric of scripts/bench by which a row is measured, where it is called otherwise.
MEASURED_BY = {"idle": "memory", "peak": "memory", "peak_small": "memory"}

# The same load over HTTP/2, by that over HTTP/1.1.
HTTP2 = [
    ("h2_manifest", "manifest GET, req/s (CPU us)", 0.7),
    ("single_manifest", "  one stream on each connection", 0),
    ("h2_password", "  with a password", 0.7),
    ("h2_blob", "blob GET 4 KiB, req/s (us)", 0.7),
    ("h2_range", "range GET 64 KiB, req/s (us)", 0.7),
    ("h2_pull", "blob GET, MB/s (CPU s/GiB)", 0.7),
    ("h2_put", "blob PUT, MB/s (s/GiB)", 0.7),
    ("h2_far", "blob PUT over 50 ms of delay, MB/s", 0.9),
]


def read(path):
    lists = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            metric, server, figure = line.split()
            lists.setdefault((metric, server), []).append(float(figure))
    return {key: statistics.median(values) for key, values in lists.items()}


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cell(figures, metric, server):
    value = figures.get((metric, server))
    if value is None:
        return ""
    cost = figures.get((metric + "_cpu", server))
    return number(value) + (f" ({number(cost)})" if cost is not None else "")


def lines_of(figures, least):
    """The table with its head, and one line for each target that is missed."""
    servers = [server for server in SERVERS if any(of == server for _, of in figures)]
    lines, short = [["metric", *(SERVERS[server] for server in servers), "ratio", "target", ""]], []
    for row in ROWS:
        if (row.metric, "ours") not in figures:
            continue
        reached = [(rule, rule.of(row, figures)) for rule in row.rules]
        reached = [(rule, value) for rule, value in reached if value is not None]
        failed = [(rule, value) for rule, value in reached if not rule.holds(value, 1)]
        ratios = ", ".join(rule.reached_text(value) for rule, value in reached)
        targets = ", ".join(rule.text() for rule, _ in reached)
        outcome = "" if not reached else "MISSES" if failed else "meets"
        lines.append([row.title, *(cell(figures, row.metric, server) for server in servers), ratios, targets, outcome])
        for rule, value in failed:
            title = row.title.strip()
            line = f"{title}: {rule.reached_text(value)}, and {rule.text()} is aimed at{costs(row, rule, figures)}"
            short.append(Short(row.metric, line, not rule.holds(value, least)))
    return lines, short


def costs(row, rule, figures):
    """How the server's CPU time compares, where that is not what is missed."""
    ours, other = figures.get((row.metric + "_cpu", "ours")), figures.get((row.metric + "_cpu", rule.reference))
    if rule.cpu or not ours or not other:
        return ""
    return f" (its CPU time per unit: {ours / other:.2f}x)"


def http2_lines(figures, least):
    lines, short = [["over HTTP/2", "HTTP/2", "HTTP/1.1", "ratio", "target", ""]], []
    for metric, title, factor in HTTP2:
        plain = "h1_" + metric.partition("_")[2]
        new, old = figures.get((metric, "ours")), figures.get((plain, "ours"))
        if not new or not old:
            continue
        outcome = ["", ""] if not factor else [f">= {factor}x", "meets" if new / old >= factor else "MISSES"]
        lines.append([title, cell(figures, metric, "ours"), cell(figures, plain, "ours"), f"{new / old:.2f}x", *outcome])
        if new / old < factor:
            line = f"{title.strip()} over HTTP/2: {new / old:.2f}x of HTTP/1.1, and {factor}x is aimed at"
            short.append(Short("http2", line, new / old < factor * least))
    return lines, short


def compare_lines(figures, least):
    """New next to old: every figure, and the server's CPU time per unit."""
    lines, short = [["metric", "new", "old", "ratio", "CPU ratio", ""]], []
    for row in ROWS:
        new, old = (figures.get((row.metric, server)) for server in ("ours", "before"))
        if not new or not old:
            continue
        new_cpu, old_cpu = (figures.get((row.metric + "_cpu", server)) for server in ("ours", "before"))
        smaller_is_better = row.rules and all(rule.bound == "<=" and not rule.cpu for rule in row.rules)
        gain = old / new if smaller_is_better or row.metric.startswith("peak") else new / old
        outcome = "" if gain >= least else f"BELOW {least}x"
        lines.append([row.title, *(cell(figures, row.metric, server) for server in ("ours", "before")), f"{gain:.2f}x",
                      f"{new_cpu / old_cpu:.2f}x" if new_cpu and old_cpu else "", outcome])
        if outcome:
            short.append(Short(row.metric, f"{row.title.strip()}: {gain:.2f}x of the old one", True))
    return lines, short


# One node on PostgreSQL, by its own figure on SQLite.
POSTGRESQL = {"manifest": 0.9, "images1": 0.6}


def postgresql_lines(figures, least):
    """The same node on PostgreSQL and on SQLite: every figure, and the server's own CPU time per unit."""
    lines, short = [["metric", "PostgreSQL", "SQLite", "ratio", "CPU ratio", "target", ""]], []
    for row in ROWS:
        new, old = (figures.get((row.metric, server)) for server in ("postgresql", "ours"))
        if not new or not old:
            continue
        new_cpu, old_cpu = (figures.get((row.metric + "_cpu", server)) for server in ("postgresql", "ours"))
        smaller_is_better = row.rules and all(rule.bound == "<=" and not rule.cpu for rule in row.rules)
        gain, target = old / new if smaller_is_better or row.metric.endswith("_p99") else new / old, POSTGRESQL.get(row.metric)
        outcome = "" if target is None else "meets" if gain >= target else "MISSES"
        lines.append([row.title, *(cell(figures, row.metric, server) for server in ("postgresql", "ours")), f"{gain:.2f}x",
                      f"{new_cpu / old_cpu:.2f}x" if new_cpu and old_cpu else "", f">= {target}x" if target else "", outcome])
        if outcome == "MISSES":
            line = f"{row.title.strip()}: {gain:.2f}x of SQLite, and {target}x is aimed at"
            short.append(Short(row.metric, line, gain < target * least))
    return lines, short


def show(lines, markdown):
    if len(lines) < 2:
        return
    if markdown:
        lines = [[("... " if entry.startswith("  ") else "") + entry.strip() for entry in line] for line in lines]
        print("\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]]))
    else:
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        for line in lines:
            print("  ".join(entry.ljust(width) if column in (0, len(line) - 2, len(line) - 1) else entry.rjust(width)
                            for column, (entry, width) in enumerate(zip(line, widths))).rstrip())
    print()


def clients(figures):
    """Where the client, and not the server, may have been the limit."""
    busiest = {}
    for (metric, _), value in figures.items():
        if metric.endswith("_client"):
            busiest[metric] = max(value, busiest.get(metric, 0))
    said = [f"{metric.removesuffix('_client')} {value:.0f} %" for metric, value in busiest.items()]
    if said:
        print("How busy the client was at most, of one core for each stream: " + ", ".join(said) + ".")
    if any(value > 90 for value in busiest.values()):
        print("Above 90 % it may be the limit, and the true figure higher.")


def main():
    figures, form, least = read(sys.argv[1]), sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 1
    on_postgresql = any(server == "postgresql" for _, server in figures)
    tables = [postgresql_lines] if on_postgresql else [compare_lines] if form == "compare" else [lines_of, http2_lines]
    short = []
    for table in tables:
        lines, missed = table(figures, least)
        if form != "failing":
            show(lines, form == "markdown")
        short += missed
    if form == "text":
        clients(figures)
        print(NOTES + "\n")
    if form == "failing":
        print(*sorted({MEASURED_BY.get(one.metric, one.metric) for one in short if one.fails or on_postgresql}))
    elif short and form != "markdown":
        print("What falls short:")
        for one in short:
            print(f"- {one.line}" + (f" [below {least} of it]" if one.fails and form == "text" and least < 1 else ""))
    sys.exit(1 if any(one.fails for one in short) else 0)


if __name__ == "__main__":
    main()
