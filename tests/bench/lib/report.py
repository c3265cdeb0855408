"""Turns raw measures into medians, ratios, Markdown and the result file.

Decides which measures count: those without any error. Measures nothing.
"""

import json
import statistics

from .competitors import COMPETITORS
from .traffic import ROWS

PEERS = ("nginx", "haproxy", "envoy")
OURS = ("portcullis", "portcullis+log")
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
    traffic, summary = results["traffic"], {"rows": {}, "memory": {}, "latency": {}}
    for row in results["rows"]:
        cells = {}
        for name in results["competitors"]:
            found = good(traffic, row=row, competitor=name)
            if found:
                keys = ("cpu_us", "user_us", "kernel_us", "rps", "p50_us", "p99_us")
                cells[name] = {key: median(m[key] for m in found) for key in keys}
        compared = {ours: {p: ratios(traffic, row, ours, p) for p in (*PEERS, "relay")} for ours in OURS}
        summary["rows"][row] = {"competitors": cells, "ratios": compared}
    for name in results["competitors"]:
        found = good(results["memory"], competitor=name)
        if found:
            summary["memory"][name] = {
                "idle_rss": median(m["idle"]["rss"] for m in found),
                "loaded_rss": median(m["loaded"]["rss"] for m in found),
                "per_plain": median(m["per_plain"] for m in found),
                "per_tls": median(m["per_tls"] for m in found),
            }
    summary["latency"] = _latency(results["latency"])
    return summary


def _latency(measures):
    direct = {m["round"]: m for m in good(measures, competitor="direct")}
    found = {}
    for name in dict.fromkeys(m["competitor"] for m in measures):
        mine = good(measures, competitor=name)
        if not mine:
            continue
        cell = {key: median(m[key] for m in mine) for key in ("p50_us", "p99_us", "cpu_us", "achieved")}
        cell["rate"] = mine[0]["rate"]
        for key in ("p50_us", "p99_us"):
            cell[f"added_{key}"] = median(m[key] - direct[m["round"]][key] for m in mine if m["round"] in direct)
        found[name] = cell
    return found


def markdown(results):
    """Everything for stdout."""
    summary = results["summary"]
    parts = [_conditions(results)]
    if summary["rows"]:
        parts += [_cpu_table(results), _ratio_table(results), _speed_table(results)]
    if results["memory"]:
        parts.append(_memory_table(results))
    if summary["latency"]:
        parts.append(_latency_table(results))
    parts.append("\n".join(f"- {note}" for note in notes(results)))
    return "\n\n".join(part for part in parts if part)


def notes(results):
    """What a reader must know to judge the figures; nothing is left out silently."""
    found = list(results["notes"])
    for measure in results["traffic"] + results["memory"] + results["latency"]:
        if measure.get("errors"):
            what = measure.get("row", "latency" if "rate" in measure else "memory")
            found.append(f"not counted: {what}, {measure['competitor']}, round {measure['round'] + 1}: {measure['errors']}")
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
    slow = [m for m in results["latency"] if m.get("achieved", m["rate"]) < 0.995 * m["rate"]]
    if slow:
        found.append(f"latency: in {len(slow)} measures less than 99.5 % of the rate was reached")
    return found


def table(head, lines):
    """A Markdown table; all columns but the first to the right."""
    rule = ["--"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def title(results, name):
    """A competitor with its version."""
    _, tool, _, words = COMPETITORS[name]
    found = results["versions"].get(tool)
    return f"{words} {found}" if found and name not in ("relay", "portcullis+log") else words


def _row_title(key):
    return next(row.title for row in ROWS if row.key == key)


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


def _cpu_table(results):
    names = results["competitors"]
    lines = []
    for key, row in results["summary"]["rows"].items():
        cells = [_row_title(key)]
        for name in names:
            c = row["competitors"].get(name)
            cells.append(f"{c['cpu_us']:.1f} ({c['user_us']:.1f} + {c['kernel_us']:.1f})" if c else "–")
        lines.append(cells)
    return table(["CPU µs/request (user + kernel)", *(title(results, n) for n in names)], lines)


def _ratio_table(results):
    if not any(name in results["competitors"] for name in OURS):
        return "No ratios: portcullis was not measured."
    against = [p for p in (*PEERS, "relay") if p in results["competitors"]]
    lines = []
    for key, row in results["summary"]["rows"].items():
        for ours in (n for n in OURS if n in results["competitors"]):
            cells = [f"{_row_title(key)}, {COMPETITORS[ours][3]}"]
            for peer in against:
                r = row["ratios"][ours][peer]
                cells.append(f"{r['of_medians']:.2f} ({r['of_rounds']:.2f})" if r else "–")
            lines.append(cells)
    head = ["ratio of medians (median of ratios per round)", *(f"÷ {COMPETITORS[p][3]}" for p in against)]
    return table(head, lines)


def _speed_table(results):
    lines = []
    for key, row in results["summary"]["rows"].items():
        cells = [_row_title(key)]
        for name in results["competitors"]:
            c = row["competitors"].get(name)
            times = c and f"{_number(c['p50_us'], 2, 1000)} / {_number(c['p99_us'], 2, 1000)}"
            cells.append(f"{_number(c['rps'], 0)}; {times}" if c else "–")
        lines.append(cells)
    return table(["requests/s; p50 / p99 ms, saturated", *(COMPETITORS[n][3] for n in results["competitors"])], lines)


def _memory_table(results):
    names = [n for n in results["competitors"] if n != "relay"]
    found = results["summary"]["memory"]
    rows = [
        ("resident, idle, MB", "idle_rss", 1e6),
        ("resident, after load, MB", "loaded_rss", 1e6),
        ("per idle connection, plain, KiB", "per_plain", 1024),
        ("per idle connection, TLS, KiB", "per_tls", 1024),
    ]
    lines = [[text, *(_number(found.get(n, {}).get(key), 1, scale) for n in names)] for text, key, scale in rows]
    return table(["memory", *(title(results, n) for n in names)], lines)


def _latency_table(results):
    found = results["summary"]["latency"]
    lines = []
    for name, c in found.items():
        words = "direct, no proxy" if name == "direct" else title(results, name)
        added = ["", ""] if name == "direct" else [_signed(c["added_p50_us"]), _signed(c["added_p99_us"])]
        lines.append([words, _number(c["p50_us"], 0), _number(c["p99_us"], 0), *added, _number(c["cpu_us"])])
    rate = next(iter(found.values()))["rate"]
    head = [f"HTTP/1 at {rate:,}/s, open loop", "p50 µs", "p99 µs", "added p50", "added p99", "CPU µs/request"]
    return table(head, lines)


def _signed(value):
    return "–" if value is None else f"{value:+,.0f}"


def write(results, path):
    """The result file; measures one per line, so that a diff of two files can be read."""
    results = dict(results)
    raw = {key: results.pop(key) for key in ("traffic", "memory", "latency")}
    text = json.dumps(results, indent=1, ensure_ascii=False).removesuffix("\n}")
    for key, measures in raw.items():
        lines = ",\n".join("  " + json.dumps(m, ensure_ascii=False) for m in measures)
        text += f',\n "{key}": [\n{lines}\n ]'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n}\n", encoding="utf-8")
