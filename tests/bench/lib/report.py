"""Turns raw measures into medians, ratios, Markdown and the result file.

Decides which measures count: those without any error. Measures nothing.
"""

import json
import statistics

from . import latency
from .pair_memory import STATES
from .registry import ALL
from .traffic import ROWS

# By group: who is compared, and with whom.
COMPARED = {
    "single": (("portcullis", "portcullis+log"), ("nginx", "haproxy", "envoy", "relay")),
    "pair": (("pair-portcullis", "pair-user"), ("pair-envoy",)),
    "auth": (("auth-portcullis",), ("auth-envoy", "auth-haproxy")),
    "limit": (("limit-leased",), ("limit-none",)),
    "resilience": (("resilience-on",), ("resilience-off",)),
    "isolation": (("isolation-crowded",), ("isolation-alone",)),
}
# Lists of measures in the results.
KINDS = ("traffic", "memory", "pair_memory", *(row.kept for row in latency.ROWS), "admission")
# A proxy or a load that had to share its core was not measured under the stated conditions.
MOST_FOREIGN = 0.05


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def good(measures, **wanted):
    """Measures without errors that have these values."""
    return [m for m in measures if not m.get("errors") and all(m.get(k) == v for k, v in wanted.items())]


def ratios(measures, row, ours, peer):
    """CPU per request against a peer: of the medians, and the median of the ratios within a round."""
    mine = {m["round"]: m["cpu_us"] for m in good(measures, row=row, competitor=ours)}
    theirs = {m["round"]: m["cpu_us"] for m in good(measures, row=row, competitor=peer)}
    paired = [mine[r] / theirs[r] for r in mine if theirs.get(r)]
    if not paired:
        return None
    return {"of_medians": median(mine.values()) / median(theirs.values()), "of_rounds": median(paired)}


def summarize(results):
    """Medians and ratios, as stored in the result file."""
    traffic, summary = results["traffic"], {"rows": {}}
    for row in results["rows"]:
        cells = {}
        for name in _measured_in(results, row):
            found = good(traffic, row=row, competitor=name)
            if found:
                keys = ("cpu_us", "user_us", "kernel_us", "rps", "p50_us", "p99_us")
                cells[name] = {key: median(m[key] for m in found) for key in keys}
        ours, peers = COMPARED[_row(row).group]
        compared = {our: {peer: ratios(traffic, row, our, peer) for peer in peers} for our in ours}
        summary["rows"][row] = {"competitors": cells, "ratios": compared}
    summary["memory"] = _memory(results["memory"])
    summary["pair_memory"] = _pair_memory(results["pair_memory"])
    for row in latency.ROWS:
        summary[row.kept] = _latency(results[row.kept], row.base)
    return summary


def _by_name(measures):
    """Those that count, by competitor."""
    names = dict.fromkeys(m["competitor"] for m in measures)
    return {name: found for name in names if (found := good(measures, competitor=name))}


def _memory(measures):
    return {
        name: {
            "idle_rss": median(m["idle"]["rss"] for m in found),
            "loaded_rss": median(m["loaded"]["rss"] for m in found),
            "per_plain": median(m["per_plain"] for m in found),
            "per_tls": median(m["per_tls"] for m in found),
        }
        for name, found in _by_name(measures).items()
    }


def _pair_memory(measures):
    """By competitor, state and process; `pair` is both."""
    return {
        name: {
            state: {
                "a": median(m[state]["a"]["rss"] for m in found),
                "b": median(m[state]["b"]["rss"] for m in found),
                "pair": median(m[state]["a"]["rss"] + m[state]["b"]["rss"] for m in found),
            }
            for state in STATES
        }
        for name, found in _by_name(measures).items()
    }


def _latency(measures, base):
    """By competitor; what is added to the base is the median of the differences within a round."""
    plain = {m["round"]: m for m in good(measures, competitor=base)}
    found = {}
    for name, mine in _by_name(measures).items():
        cell = {key: median(m[key] for m in mine) for key in ("p50_us", "p99_us", "cpu_us", "achieved")}
        cell["rate"] = mine[0]["rate"]
        for key in ("p50_us", "p99_us"):
            cell[f"added_{key}"] = median(m[key] - plain[m["round"]][key] for m in mine if m["round"] in plain)
        found[name] = cell
    return found


def markdown(results):
    """Everything for stdout."""
    summary = results["summary"]
    parts = [_conditions(results)]
    for group in COMPARED:
        rows = [row for row in summary["rows"] if _row(row).group == group]
        if rows:
            measured = {name for row in rows for name in _measured_in(results, row)}
            names = [name for name in results["competitors"] if name in measured]
            parts += [_cpu_table(results, rows, names), _ratio_table(results, rows, names, *COMPARED[group])]
            parts.append(_speed_table(results, rows, names))
    if results["memory"]:
        parts.append(_memory_table(results))
    if results["pair_memory"]:
        parts.append(_pair_memory_table(results))
    parts += [_latency_table(results, summary[row.kept], row.base) for row in latency.ROWS if summary[row.kept]]
    if results["admission"]:
        parts.append(_admission_table(results["admission"]))
    parts.append("\n".join(f"- {note}" for note in notes(results)))
    return "\n\n".join(part for part in parts if part)


def notes(results):
    """What a reader must know to judge the figures; nothing is left out silently."""
    found = list(results["notes"])
    for kind in KINDS:
        for measure in (m for m in results[kind] if m.get("errors")):
            what = measure.get("row", kind.replace("_", "-"))
            who = f"{measure['competitor']}, round {measure['round'] + 1}"
            found.append(f"not counted: {what}, {who}: {measure['errors']}")
    measured = [m for m in results["traffic"] if "cpu_us" in m]
    foreign = [max(m["foreign_proxy_core"], m["foreign_load_core"]) for m in measured]
    noisy = sum(share > MOST_FOREIGN for share in foreign)
    if noisy:
        found.append(
            f"NOT QUIET: in {noisy} of {len(foreign)} measures something else took more than "
            f"{MOST_FOREIGN:.0%} of a core (at most {max(foreign):.0%})"
        )
    for measure in results["traffic"]:
        if measure.get("backend_connections", 0) > measure.get("requests", 0) / 100:
            found.append(
                f"hardly pooled: {measure['row']}, {measure['competitor']}, round {measure['round'] + 1}: "
                f"{measure['backend_connections']} connections to the backend for {measure['requests']} requests"
            )
    for kind in ("latency", "pair_latency"):
        slow = [m for m in results[kind] if m.get("achieved", m["rate"]) < 0.995 * m["rate"]]
        if slow:
            found.append(f"{kind}: in {len(slow)} measures less than 99.5 % of the rate was reached")
    return [*found, *_handshakes(results["traffic"])]


def _handshakes(measures):
    """How often the two proxies of a pair shook hands."""
    for name in dict.fromkeys(m["competitor"] for m in measures):
        counted = [m for m in measures if m["competitor"] == name and "handshakes" in m]
        if counted:
            requests, most = sum(m["requests"] for m in counted), max(m["handshakes"] for m in counted)
            total = max(m["handshakes_so_far"] for m in counted)
            yield (
                f"{name}: {total} TLS handshakes between the two proxies from start to end, for more than "
                f"{requests:,} requests; at most {most} in a measure and its warm-up"
            )


def table(head, lines):
    """A Markdown table; all columns but the first to the right."""
    rule = ["--"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def title(results, name):
    """A competitor with its version."""
    _, tool, _, words = ALL[name]
    found = results["versions"].get(tool)
    plain = name in ("relay", "portcullis+log", "pair-user") or ALL[name][0].group in ("limit", "resilience", "isolation")
    return f"{words} {found}" if found and not plain else words


def _row(key):
    return next(row for row in ROWS if row.key == key)


def _measured_in(results, key):
    """The competitors of a row."""
    return [name for name in results["competitors"] if _row(key).takes(ALL[name][0], name)]


def _number(value, digits=1, scale=1.0):
    return "–" if value is None else f"{value / scale:,.{digits}f}"


def _conditions(results):
    m, o = results["machine"], results["options"]
    logs = "all with access log" if o["logs"] else "no access logs, save where stated"
    return (
        f"{m['cpu']}, {m['cores']} cores{', virtual' if m['virtual'] else ''}, Linux {m['kernel']}; {results['date']}; "
        f"medians of {o['rounds']} interleaved rounds of {o['seconds']} s; one worker on core {o['proxy_core']}, "
        f"load and backend on core {o['load_core']}; {logs}."
    )


def _cpu_table(results, rows, names):
    lines = []
    for key in rows:
        row, cells = results["summary"]["rows"][key], [_row(key).title]
        for name in names:
            c = row["competitors"].get(name)
            cells.append(f"{c['cpu_us']:.1f} ({c['user_us']:.1f} + {c['kernel_us']:.1f})" if c else "–")
        lines.append(cells)
    return table(["CPU µs/request (user + kernel)", *(title(results, n) for n in names)], lines)


def _ratio_table(results, rows, names, ours, peers):
    compared = [name for name in ours if name in names]
    if not compared:
        return "No ratios: portcullis was not measured."
    against = [name for name in peers if name in names]
    if not against:
        return "No ratios: nobody else was measured."
    lines = []
    for key in rows:
        row = results["summary"]["rows"][key]
        for name in compared:
            cells = [f"{_row(key).title}, {ALL[name][3]}"]
            for peer in against:
                r = row["ratios"][name][peer]
                cells.append(f"{r['of_medians']:.2f} ({r['of_rounds']:.2f})" if r else "–")
            lines.append(cells)
    head = ["ratio of medians (median of ratios per round)", *(f"÷ {ALL[p][3]}" for p in against)]
    return table(head, lines)


def _speed_table(results, rows, names):
    lines = []
    for key in rows:
        row, cells = results["summary"]["rows"][key], [_row(key).title]
        for name in names:
            c = row["competitors"].get(name)
            times = c and f"{_number(c['p50_us'], 2, 1000)} / {_number(c['p99_us'], 2, 1000)}"
            cells.append(f"{_number(c['rps'], 0)}; {times}" if c else "–")
        lines.append(cells)
    return table(["requests/s; p50 / p99 ms", *(ALL[n][3] for n in names)], lines)


def _memory_table(results):
    names = [n for n in results["competitors"] if n != "relay" and ALL[n][0].group == "single"]
    found = results["summary"]["memory"]
    rows = [
        ("resident, idle, MB", "idle_rss", 1e6),
        ("resident, after load, MB", "loaded_rss", 1e6),
        ("per idle connection, plain, KiB", "per_plain", 1024),
        ("per idle connection, TLS, KiB", "per_tls", 1024),
    ]
    lines = [[text, *(_number(found.get(n, {}).get(key), 1, scale) for n in names)] for text, key, scale in rows]
    return table(["memory", *(title(results, n) for n in names)], lines)


def _pair_memory_table(results):
    found = results["summary"]["pair_memory"]
    rate = results["pair_memory"][0]["rate"]
    words = {"idle": "idle", "at_rate": f"at {rate:,} requests/s", "loaded": "after 64 connections at full load"}
    lines = []
    for state in STATES:
        sizes = [found[name][state] for name in found]
        cells = (f"{s['a'] / 1e6:.1f} + {s['b'] / 1e6:.1f} = {s['pair'] / 1e6:.1f}" for s in sizes)
        lines.append([words[state], *cells])
    return table(["resident, MB: beside the caller + beside the called", *(title(results, n) for n in found)], lines)


def _latency_table(results, found, base):
    lines = []
    for name, c in found.items():
        words = "direct, no proxy" if name == "direct" else title(results, name)
        plain = name in ("direct", base)
        added = ["", ""] if plain else [_signed(c["added_p50_us"]), _signed(c["added_p99_us"])]
        lines.append([words, _number(c["p50_us"], 0), _number(c["p99_us"], 0), *added, _number(c["cpu_us"])])
    rate = next(iter(found.values()))["rate"]
    to = "" if base == "direct" else f" to {ALL[base][3]}"
    head = [f"HTTP/1 at {rate:,}/s, open loop", "p50 µs", "p99 µs", f"added p50{to}", f"added p99{to}"]
    head.append("CPU µs/request")
    return table(head, lines)


def _admission_table(measures):
    lines = []
    for m in (m for m in measures if "admitted" in m):
        answers = ", ".join(f"{n:,} × {status}" for status, n in sorted(m["statuses"].items(), key=str))
        range_ = f"{m['least']:,}" if m["least"] == m["most"] else f"{m['least']:,} … {m['most']:,}"
        verdict = "WRONG" if m["errors"] else "as promised"
        words = f"{m['check']}, {m['limit']}, round {m['round'] + 1}"
        lines.append([words, answers, range_, f"{m['admitted']:,}", verdict])
    return table(["exact limit of three portcullis", "answers", "allowed", "admitted", ""], lines)


def _signed(value):
    return "–" if value is None else f"{value:+,.0f}"


def write(results, path):
    """The result file; measures one per line, so that a diff of two files can be read."""
    results = dict(results)
    raw = {key: results.pop(key) for key in KINDS}
    text = json.dumps(results, indent=1, ensure_ascii=False).removesuffix("\n}")
    for key, measures in raw.items():
        lines = ",\n".join("  " + json.dumps(m, ensure_ascii=False) for m in measures)
        text += f',\n "{key}": [\n{lines}\n ]'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n}\n", encoding="utf-8")
