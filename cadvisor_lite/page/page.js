// Draws the usage of the machine and of each container from the REST API. Names are only ever written as text.
"use strict";

const WINDOW_S = 120, PERIOD_MS = 3000, LIMITLESS = 2 ** 62;
const CORES = Number(document.body.dataset.cores), MEMORY = Number(document.body.dataset.memory);
const BOOT_S = Number(document.body.dataset.boot);
const chosen = chosenName();
const subjects = new Map();   // cgroup name -> {info, points, view}
const groups = new Map();     // group title -> {element, rows, net}
const $ = (id) => document.getElementById(id);

function chosenName() {
  const path = decodeURIComponent(location.pathname);
  return path.startsWith("/containers/") && path.length > 12 ? path.slice(11).replace(/\/$/, "") : "/";
}

// --- making elements

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// --- figures

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
const rate = (value) => bytes(value) + "/s";
const cores = (value) => value.toFixed(value < 0.1 ? 3 : 2);
const several = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const clock = (time) => new Date(time * 1000).toLocaleTimeString();

function since(time) {
  const minutes = Math.max(0, Math.floor((Date.now() / 1000 - time) / 60));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} days`;
}

// --- samples and rates

function pointOf(stats) {
  const interfaces = (stats.network && stats.network.interfaces) || [];
  const sum = (key) => interfaces.reduce((total, one) => total + one[key], 0);
  return {
    t: Date.parse(stats.timestamp) / 1000,
    cpu: stats.cpu ? stats.cpu.usage.total / 1e9 : null,
    memory: stats.memory ? stats.memory.working_set : null,
    rx: interfaces.length ? sum("rx_bytes") : null,
    tx: interfaces.length ? sum("tx_bytes") : null,
  };
}

// A counter that went back was reset: no rate is drawn across it.
function rates(points, key) {
  const result = [];
  for (let i = 1; i < points.length; i++) {
    const span = points[i].t - points[i - 1].t, gain = points[i][key] - points[i - 1][key];
    if (points[i][key] !== null && points[i - 1][key] !== null && span > 0.2 && gain >= 0) result.push({ t: points[i].t, v: gain / span });
  }
  return result;
}

function levels(points, key) {
  return points.filter((point) => point[key] !== null).map((point) => ({ t: point.t, v: point[key] }));
}

const last = (series) => (series.length ? series[series.length - 1].v : null);

function roundUp(value) {
  if (value <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * step).find((candidate) => candidate >= value);
}

// The next round number of bytes: 1, 2, 5, 10 … of the unit that it is written in.
function roundBytes(value) {
  const unit = 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return roundUp(value / unit) * unit;
}

// --- plots: x is time over the window, y from 0 to `top`

function draw(svg, lines, top, grid) {
  const end = Date.now() / 1000, x = (t) => (1000 * (t - end + WINDOW_S)) / WINDOW_S;
  const y = (v) => 100 - (100 * Math.min(v, top)) / top;
  svg.setAttribute("viewBox", "0 0 1000 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const parts = (grid ? [0, 50, 100] : [100]).map((at) => makeSvg("line", { class: "grid", x1: 0, x2: 1000, y1: at, y2: at }));
  for (const { series, color } of lines) {
    const seen = series.filter((point) => point.t >= end - WINDOW_S);
    if (!seen.length) continue;
    const d = seen.map((point, i) => `${i ? "L" : "M"}${x(point.t).toFixed(1)} ${y(point.v).toFixed(2)}`).join("");
    parts.push(makeSvg("path", { class: "area " + color, d: `${d}L${x(seen[seen.length - 1].t).toFixed(1)} 100L${x(seen[0].t).toFixed(1)} 100Z` }));
    parts.push(makeSvg("path", { class: "line " + color, d }));
  }
  svg.replaceChildren(...parts);
}

function largeCard(title, describe) {
  const at = make("span"), figure = make("div", "figure"), top = make("span", "top");
  const svg = makeSvg("svg", { role: "img", "aria-label": title });
  const plot = make("div", "plot large", top, svg);
  const card = make("article", "card", make("div", "title", make("span", "", title), at), figure, plot,
    make("div", "scale", make("span", "", "2 min ago"), make("span", "", "now")));
  let shown = null, cursor = null;
  function refresh() {
    if (!shown) return;
    const { lines, limit, round, format } = shown;
    const peak = Math.max(0, ...lines.flatMap(({ series }) => series.map((point) => point.v)));
    const range = limit || round(peak * 1.1);
    draw(svg, lines, range, true);
    top.textContent = format(range);
    const end = Date.now() / 1000, time = cursor === null ? null : end - WINDOW_S * (1 - cursor);
    const values = lines.map(({ series }) => (time === null ? last(series) : nearest(series, time)));
    at.textContent = time === null ? "" : clock(time);
    figure.replaceChildren(...describe(values));
    if (cursor !== null) svg.append(makeSvg("line", { class: "cursor", x1: cursor * 1000, x2: cursor * 1000, y1: 0, y2: 100 }));
  }
  plot.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    cursor = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    refresh();
  });
  plot.addEventListener("pointerleave", () => { cursor = null; refresh(); });
  return { card, show(what) { shown = what; refresh(); } };
}

function nearest(series, time) {
  let best = null;
  for (const point of series) if (best === null || Math.abs(point.t - time) < Math.abs(best.t - time)) best = point;
  return best === null ? null : best.v;
}

// --- the focus: the machine, or one container

function figureOf(value, format, note) {
  return [value === null ? "–" : format(value), make("small", "", " " + note)];
}

function pairOf(value, color, word) {
  return make("span", "pair", make("span", "key " + color), value === null ? "–" : rate(value), make("small", "", " " + word));
}

let focus = null;

// A pod's containers share the sandbox's interfaces, so theirs are counted there, once.
function networkOwner(subject) {
  if (subject.info.spec.has_network) return subject;
  const { group } = titleOf(subject);
  return [...subjects.values()].find((other) => group && other.info.spec.has_network && titleOf(other).group === group) || null;
}

function buildFocus(subject) {
  const spec = subject.info.spec, isRoot = subject.info.name === "/";
  const quota = spec.cpu && spec.cpu.quota ? spec.cpu.quota / spec.cpu.period : CORES;
  const limited = spec.memory && spec.memory.limit < LIMITLESS;
  const memoryLimit = limited ? spec.memory.limit : MEMORY;
  const cpu = largeCard("CPU", ([value]) => figureOf(value, cores, `of ${several(+quota.toFixed(2), "core")}`));
  const memory = largeCard("Memory", ([value]) => figureOf(value, bytes, `of ${bytes(memoryLimit)}`));
  const cards = make("div", "cards", cpu.card, memory.card);
  const owner = networkOwner(subject), shared = owner && owner !== subject;
  const network = owner ? largeCard(shared ? "Network of the pod" : "Network", ([rx, tx]) => [pairOf(rx, "receive", "in"), pairOf(tx, "transmit", "out")]) : null;
  if (network) cards.append(network.card);
  const disks = make("div");
  $("focus").replaceChildren(...(isRoot ? [] : [headingOf(subject)]), cards, disks);
  if (!isRoot) $("focus").append(detailsOf(subject));
  return (points) => {
    if (isRoot) disks.replaceChildren(...disksOf(subject));
    cpu.show({ lines: [{ series: rates(points, "cpu"), color: "cpu" }], limit: isRoot ? quota : null, round: roundUp, format: (v) => several(+v.toPrecision(2), "core") });
    memory.show({ lines: [{ series: levels(points, "memory"), color: "memory" }], limit: isRoot || limited ? memoryLimit : null, round: roundBytes, format: bytes });
    if (network) network.show({ lines: [{ series: rates(owner.points, "rx"), color: "receive" }, { series: rates(owner.points, "tx"), color: "transmit" }], round: roundBytes, format: rate });
  };
}

// The machine's file systems, each as a bar.
function disksOf(subject) {
  const { stats } = subject.info, disks = (stats[stats.length - 1] || {}).filesystem || [];
  return disks.map((disk) => {
    const bar = make("meter");
    Object.assign(bar, { max: disk.capacity, high: disk.capacity * 0.9, value: disk.usage });
    bar.setAttribute("aria-label", "Use of " + disk.device);
    return make("article", "card disk", make("span", "", disk.device), bar, make("span", "dim", `${bytes(disk.usage)} of ${bytes(disk.capacity)}`));
  });
}

function headingOf(subject) {
  const title = titleOf(subject), back = make("a", "", "all containers");
  back.href = "/";
  return make("div", "bar first", make("h2", "", title.name, make("span", "dim", title.group ? ` in ${title.group}` : "")), back);
}

function detailsOf(subject) {
  const { info } = subject, spec = info.spec, labels = spec.labels || {}, list = make("dl");
  const add = (key, value) => { if (value) list.append(make("dt", "", key), make("dd", "", value)); };
  add("container", titleOf(subject).name);
  add("pod", labels["io.kubernetes.pod.name"]);
  add("namespace", labels["io.kubernetes.pod.namespace"]);
  add("image", spec.image);
  add("docker name", (info.aliases || [])[0]);
  add("id", info.id);
  add("cgroup", info.name);
  add("started", new Date(spec.start_time).toLocaleString());
  const newest = info.stats[info.stats.length - 1] || {}, [disk] = newest.filesystem || [];
  if (newest.processes) add("processes", `${newest.processes.process_count}, with ${several(newest.processes.threads_current, "thread")}`);
  if (disk) add("on disk", `${bytes(disk.base_usage)} in its own layer, ${bytes(disk.usage - disk.base_usage)} of logs, on ${disk.device}`);
  return make("article", "card details", list);
}

// --- the list, by pod

function titleOf(subject) {
  const labels = subject.info.spec.labels || {}, pod = labels["io.kubernetes.pod.name"];
  const sandbox = labels["io.kubernetes.docker.type"] === "podsandbox" || labels["io.kubernetes.container.name"] === "POD";
  const alias = (subject.info.aliases || [])[0] || subject.info.name;
  if (!pod) return { group: "", name: alias, sandbox: false };
  return { group: `${labels["io.kubernetes.pod.namespace"] || "default"} / ${pod}`, name: sandbox ? "sandbox" : labels["io.kubernetes.container.name"] || alias, sandbox };
}

function groupOf(title) {
  let group = groups.get(title);
  if (!group) {
    const net = make("span", "net"), rows = make("div");
    group = { net, rows, element: make("article", "group", make("div", "head", make("h3", "", title || "Docker containers"), net), rows) };
    groups.set(title, group);
  }
  return group;
}

function measure(color, name) {
  const value = make("div", "value"), svg = makeSvg("svg", { role: "img", "aria-label": name });
  return { element: make("div", "measure", value, svg), value, svg, color };
}

function buildRow(subject) {
  const title = titleOf(subject), link = make("a", "", title.name);
  link.href = "/containers" + subject.info.name.split("/").map(encodeURIComponent).join("/");
  const image = make("span", "dim", subject.info.spec.image || "");
  image.title = subject.info.spec.image || "";
  const cpu = measure("cpu", "CPU of " + title.name), memory = measure("memory", "Memory of " + title.name);
  const net = make("span", "dim");
  return { title, cpu, memory, net, element: make("div", "row", make("div", "who", link, image, net), cpu.element, memory.element) };
}

function showMeasure(part, series, top, text, note) {
  part.value.replaceChildren(text, make("small", "", note));
  draw(part.svg, [{ series, color: part.color }], top, false);
}

function showRow(subject) {
  const { view, points, info } = subject, spec = info.spec;
  const cpu = rates(points, "cpu"), memory = levels(points, "memory");
  const quota = spec.cpu && spec.cpu.quota ? spec.cpu.quota / spec.cpu.period : 0;
  const limit = spec.memory && spec.memory.limit < LIMITLESS ? spec.memory.limit : 0;
  const used = last(cpu), held = last(memory), peak = (series) => Math.max(0, ...series.map((point) => point.v));
  view.net.textContent = view.title.group === "" ? networkText(subject) : "";
  showMeasure(view.cpu, cpu, Math.max(quota || 0.1, peak(cpu) * 1.1), used === null ? "–" : cores(used), quota ? `of ${several(+quota.toFixed(2), "core")}` : "cores");
  showMeasure(view.memory, memory, limit || Math.max(2 ** 22, peak(memory) * 1.3), held === null ? "–" : bytes(held), limit ? `of ${bytes(limit)}` : "working set");
}

function showList() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean), order = $("sort").value;
  const shown = [...subjects.values()].filter((subject) => subject.info.name !== "/");
  for (const subject of shown) subject.view = subject.view || buildRow(subject);
  const haystack = (subject) => `${subject.view.title.group} ${subject.view.title.name} ${subject.info.spec.image} ${subject.info.aliases}`.toLowerCase();
  const kept = shown.filter((subject) => words.every((word) => haystack(subject).includes(word)));
  const weight = (subject) => (order === "cpu" ? last(rates(subject.points, "cpu")) : last(levels(subject.points, "memory"))) || 0;
  const byName = (a, b) => (a.view.title.sandbox - b.view.title.sandbox) || a.view.title.name.localeCompare(b.view.title.name);
  const total = new Map(), members = new Map();
  for (const subject of kept) {
    const key = subject.view.title.group;
    members.set(key, [...(members.get(key) || []), subject]);
    total.set(key, (total.get(key) || 0) + (order === "name" ? 0 : weight(subject)));
  }
  const keys = [...members.keys()].sort((a, b) => total.get(b) - total.get(a) || (a === "") - (b === "") || a.localeCompare(b));
  place($("groups"), keys.map((key) => {
    const group = groupOf(key), rows = members.get(key).sort(order === "name" ? byName : (a, b) => weight(b) - weight(a));
    place(group.rows, rows.map((subject) => subject.view.element));
    rows.forEach(showRow);
    group.net.textContent = key === "" ? "" : networkText(networkOwner(rows[0]));
    return group.element;
  }));
  for (const key of [...groups.keys()]) if (!members.has(key)) groups.delete(key);
  if (!kept.length) $("groups").replaceChildren(make("p", "empty", shown.length ? "No container matches the filter." : "No container runs on this machine."));
  $("count").textContent = kept.length === shown.length ? String(shown.length) : `${kept.length} of ${shown.length}`;
}

function networkText(owner) {
  const rx = owner ? last(rates(owner.points, "rx")) : null, tx = owner ? last(rates(owner.points, "tx")) : null;
  return rx === null || tx === null ? "" : `in ${rate(rx)} · out ${rate(tx)}`;
}

// Puts the children in this order; moves nothing that is in its place, so that focus and selection stay.
function place(parent, children) {
  children.forEach((child, i) => { if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] || null); });
  while (parent.children.length > children.length) parent.lastChild.remove();
}

// --- polling

function take(documents) {
  const present = new Set(), oldest = Date.now() / 1000 - WINDOW_S - 15;
  for (const info of documents) {
    present.add(info.name);
    const subject = subjects.get(info.name) || { points: [], view: null };
    const newest = subject.points.length ? subject.points[subject.points.length - 1].t : 0;
    const fresh = info.stats.map(pointOf).filter((point) => point.t > newest);
    subject.points = [...subject.points, ...fresh].filter((point) => point.t >= oldest);
    subject.info = info;
    subjects.set(info.name, subject);
  }
  for (const name of [...subjects.keys()]) if (!present.has(name)) subjects.delete(name);
}

function showFocus() {
  const subject = subjects.get(chosen);
  if (!subject) {
    focus = null;
    $("focus").replaceChildren(make("p", "empty", `${chosen} does not run on this machine (any more).`));
    return;
  }
  focus = focus || buildFocus(subject);
  focus(subject.points);
}

function showState(word, kind) {
  $("state").textContent = word;
  $("state").className = "state " + kind;
}

async function poll(count) {
  const response = await fetch("/api/v1.3/subcontainers/", { method: "POST", body: JSON.stringify({ num_stats: count }), signal: AbortSignal.timeout(10000) });
  if (!response.ok) throw new Error("HTTP " + response.status);
  take(await response.json());
  showFocus();
  if (chosen === "/") showList();
  showState(`live · up ${since(BOOT_S)}`, "good");
}

async function follow() {
  let first = true;
  for (;;) {
    if (first || !document.hidden) {
      try {
        await poll(first ? 60 : 1);
        // The second reading comes soon, so that there are rates to see at once.
        await new Promise((resolve) => setTimeout(resolve, first ? 1200 : PERIOD_MS));
        first = false;
        continue;
      } catch (error) {
        showState("no answer: " + error.message, "bad");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

$("list").hidden = chosen !== "/";
$("filter").addEventListener("input", showList);
$("sort").addEventListener("change", showList);
follow();
