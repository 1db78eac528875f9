// The dashboard's page: draws the states that come by server-sent events, and asks for what is masked.
// All text goes in as text, never as markup; styles are classes, as the policy of the page forbids others.

const MOST_SHOWN = 200;
const COLOURS = 8;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=csrf-token]").content;
const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});
const exact = new Intl.DateTimeFormat(undefined,
  {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const number = new Intl.NumberFormat(undefined, {maximumFractionDigits: 0});

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const badge = (word, level) => make("span", {class: `badge ${level}`}, word);
const cell = (content, kind = "") => make("td", kind ? {class: kind} : {}, content);
const swatch = (colour) => draw("svg", {viewBox: "0 0 8 8", "aria-hidden": "true"},
  draw("rect", {class: `f${colour}`, width: 8, height: 8, rx: 2}));

function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 10000 ? 0 : 1)} s`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

// Charts

/** Returns at most `COLOURS` rows: the most frequent ones, and the rest as one. */
function gathered(rows) {
  const entries = Object.entries(rows);
  if (entries.length <= COLOURS) return entries;
  const rest = entries.slice(COLOURS - 1).map(([, values]) => values);
  const sums = rest[0].map((_, place) => rest.reduce((sum, values) => sum + values[place], 0));
  return [...entries.slice(0, COLOURS - 1), [`${rest.length} others`, sums]];
}

const GIVEN = {masked: 0, answered: 0, sent: 0, refused: 1, passed: 2, abandoned: 3, client_gone: 3, failed: 4, observed: 6};

/** Returns a colour for each row of a chart; a row keeps its own for as long as it is shown. */
function colouring(box, rows) {
  const before = box.colours || {};
  const taken = new Set();
  const take = (wanted) => {
    if (wanted === undefined || taken.has(wanted)) return undefined;
    taken.add(wanted);
    return wanted;
  };
  const found = Object.fromEntries(rows.map(([name]) => [name, take(GIVEN[name] ?? before[name])]));
  for (const name of Object.keys(found)) {
    found[name] ??= take([...Array(COLOURS).keys()].find((colour) => !taken.has(colour))) ?? COLOURS - 1;
  }
  box.colours = found;
  return rows.map(([name]) => found[name]);
}

/** Returns the next number at or over `value` that reads well. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((bound) => bound >= value);
}

function frame(box, state, highest, label) {
  const area = {width: Math.max(box.clientWidth, 240), height: 176, left: 48, bottom: 20, top: 8};
  const inner = area.height - area.top - area.bottom;
  const y = (value) => area.top + inner * (1 - value / highest);
  const step = (area.width - area.left) / (state.minutes * 60000 / state.bar);
  const svg = draw("svg", {viewBox: `0 0 ${area.width} ${area.height}`, role: "img", "aria-label": label.summary});
  for (const part of [0, 0.5, 1]) {
    const line = Math.round(y(highest * part)) + 0.5;
    svg.append(draw("line", {class: "grid", x1: area.left, x2: area.width, y1: line, y2: line}),
      draw("text", {x: area.left - 6, y: line + 4, "text-anchor": "end"}, label.unit(highest * part)));
  }
  const last = Math.floor(state.now / state.bar) * state.bar;
  const bars = state.minutes * 60000 / state.bar;
  const when = (bar) => last - (bars - 1 - bar) * state.bar;
  for (const bar of [0, 20, 40]) {
    svg.append(draw("text", {x: area.left + bar * step, y: area.height - 4}, clock.format(when(bar))));
  }
  svg.append(draw("text", {x: area.width, y: area.height - 4, "text-anchor": "end"}, "now"));
  return {svg, y, step, when, left: area.left};
}

function legend(rows, colours) {
  const items = rows.map(([name], place) => make("li", {}, swatch(colours[place]), name));
  return make("ul", {class: "legend"}, ...items);
}

/** The same figures for who cannot see the chart; filled only while it is open. */
function tableOf(rows, when, show) {
  const body = make("table", {}, make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "Time"),
    ...rows.map(([name]) => make("th", {scope: "col", class: "number"}, name)))));
  const lines = make("tbody");
  for (let bar = rows[0][1].length - 1; bar >= 0; bar -= 1) {
    if (rows.some(([, values]) => values[bar])) {
      lines.append(make("tr", {}, cell(exact.format(when(bar))), ...rows.map(([, values]) => cell(show(values[bar]), "number"))));
    }
  }
  body.append(lines);
  return body;
}

function put(box, svg, rows, colours, when, show) {
  let details = box.querySelector("details");
  if (!details) {
    const title = box.parentElement.closest(".card").querySelector("h2").textContent;
    const table = make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table`});
    details = make("details", {}, make("summary", {}, "As a table"), table);
    details.addEventListener("toggle", () => { details.fill(); });
    box.replaceChildren(make("div"), make("div"), details);
  }
  details.fill = () => details.lastElementChild.replaceChildren(...(details.open && rows.length ? [tableOf(rows, when, show)] : []));
  box.children[0].replaceChildren(svg);
  box.children[1].replaceChildren(legend(rows, colours));
  details.fill();
}

function stacked(box, state, all, noun) {
  const rows = gathered(all);
  const colours = colouring(box, rows);
  const bars = rows.length ? rows[0][1].map((_, bar) => rows.reduce((sum, [, values]) => sum + values[bar], 0)) : [];
  const sum = bars.reduce((one, other) => one + other, 0);
  const highest = ceiling(Math.max(4, ...bars));
  const summary = `${number.format(sum)} ${noun}; at most ${number.format(Math.max(0, ...bars))} in a bar`;
  const {svg, y, step, when, left} = frame(box, state, highest, {summary, unit: (value) => number.format(value)});
  bars.forEach((count, bar) => {
    if (!count) return;
    let below = 0;
    const told = rows.filter(([, values]) => values[bar]).map(([name, values]) => `${name}: ${number.format(values[bar])}`);
    const group = draw("g", {}, draw("title", {}, [exact.format(when(bar)), ...told].join("\n")));
    rows.forEach(([, values], place) => {
      if (!values[bar]) return;
      const top = y(below + values[bar]);
      group.append(draw("rect", {class: `f${colours[place]}`, x: left + bar * step + 0.5, width: Math.max(step - 1, 1), y: top,
        height: Math.max(y(below) - top, 0.5)}));
      below += values[bar];
    });
    svg.append(group);
  });
  if (!sum) svg.append(draw("text", {x: "50%", y: "45%", "text-anchor": "middle"}, `no ${noun} in this time`));
  put(box, svg, rows, colours, when, (value) => number.format(value));
}

function lines(box, state, stages) {
  const rows = Object.entries(stages).map(([stage, figures]) => [`${stage}, p95`, figures.bars]);
  const highest = ceiling(Math.max(1, ...rows.flatMap(([, values]) => values.filter((value) => value !== null))));
  const summary = `95th percentile of ${rows.map(([name]) => name.replace(", p95", "")).join(", ") || "nothing yet"}`;
  const {svg, y, step, when, left} = frame(box, state, highest, {summary, unit: milliseconds});
  rows.forEach(([, values], colour) => {
    let path = "";
    let before = null;
    values.forEach((value, bar) => {
      if (value === null) { before = null; return; }
      const x = left + (bar + 0.5) * step;
      path += `${before === null ? "M" : "L"}${x} ${y(value)}`;
      svg.append(draw("circle", {class: `f${colour % COLOURS}`, cx: x, cy: y(value), r: 2}));
      before = value;
    });
    if (path) svg.append(draw("path", {class: `f${colour % COLOURS}`, d: path}));
  });
  if (!rows.length) svg.append(draw("text", {x: "50%", y: "45%", "text-anchor": "middle"}, "no times yet"));
  put(box, svg, rows, rows.map((_, place) => place % COLOURS), when, milliseconds);
}

// States

const ORIGINS = {
  trail: "Requests and values are told from the audit trail.",
  metrics: "Requests and values are told from metrics, from when this dashboard was started.",
  none: "Nothing tells of requests: neither Redis nor a source does.",
};

function tiles(state) {
  const {totals} = state;
  const shown = [
    ["Requests", number.format(totals.requests)],
    ["Values masked", number.format(totals.values)],
    ...(totals.observed ? [["Seen, not masked", number.format(totals.observed), true]] : []),
    ["Restored", number.format(totals.restored)],
    ["Restore misses", number.format(totals.misses), totals.misses > 0],
    ["Foreign", number.format(totals.foreign)],
    ["Errors", number.format(totals.errors), totals.errors > 0],
    ["Fallback", state.fallback ? "in use" : "off", state.fallback],
  ];
  const codes = Object.entries(state.errors).map(([code, count]) => `${code}: ${count}`).join("\n");
  $("tiles").replaceChildren(...shown.map(([name, value, warn]) => make(
    "div", {...(warn ? {class: "warn"} : {}), ...(name === "Errors" && codes ? {title: codes} : {})},
    make("dt", {}, name), make("dd", {}, value))));
}

const STATES = {ok: "✓ ok", degraded: "! degraded", failed: "✕ failed", unused: "– unused"};

function part(one) {
  const facts = [];
  if (one.running !== undefined) facts.push(`${number.format(one.running)} running`);
  if (one.pending) facts.push(`${number.format(one.pending)} records wait for Redis`);
  if (one.dropped) facts.push(`${number.format(one.dropped)} events dropped`);
  const parts = (one.parts || []).map((piece) => make("li", {}, badge(STATES[piece.status], piece.status), " ",
    make("strong", {}, piece.name), make("div", {class: "note"}, piece.detail)));
  return make("div", {class: "card"},
    make("div", {class: "bar"}, make("h3", {}, one.name), badge(STATES[one.status], one.status)),
    make("p", {class: "note"}, [one.detail, ...facts].join(", ")),
    ...(parts.length ? [make("ul", {class: "parts"}, ...parts)] : []));
}

function show(state) {
  $("origin").textContent = ORIGINS[state.origin];
  tiles(state);
  stacked($("requests"), state, state.requests, "requests");
  stacked($("values"), state, state.values, "values");
  lines($("times"), state, state.latency);
  $("percentiles").replaceChildren(...Object.entries(state.latency).map(([stage, figures], colour) => make("tr", {},
    make("td", {}, swatch(colour % COLOURS), stage), cell(number.format(figures.count), "number"),
    ...["p50", "p95", "p99"].map((share) => cell(milliseconds(figures[share]), "number")))));
  $("parts").replaceChildren(...state.parts.map(part));
  $("no-tenants").hidden = state.tenants.length > 0;
  $("rows").replaceChildren(...state.tenants.map((row) => make("tr", {},
    cell(row.tenant || "(no name)"), cell(row.api), cell(row.route),
    ...["requests", "values", "errors"].map((name) => cell(number.format(row[name]), "number")))));
}

// Events

let paused = false;
let last = 0;
const waiting = [];

function row(item) {
  const families = Object.entries(item.families).map(([name, count]) => `${name} ${count}`).join(", ");
  const about = [item.tenant, item.source, item.request].filter(Boolean).join(" · ");
  const moment = new Date(item.when);
  return make("li", {}, make("time", {datetime: moment.toISOString()}, exact.format(moment)),
    make("span", {}, badge(item.what, item.level)),
    make("span", {}, [item.text, families].filter(Boolean).join(" — "), make("div", {class: "about"}, about)));
}

function news(item) {
  last = item.id;
  if (paused) {
    waiting.push(item);
    waiting.splice(0, waiting.length - MOST_SHOWN);
    $("pause").textContent = `Go on (${waiting.length} wait)`;
    return;
  }
  $("no-events").hidden = true;
  $("feed").prepend(row(item));
  while ($("feed").children.length > MOST_SHOWN) $("feed").lastElementChild.remove();
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) waiting.splice(0).forEach(news);
});

let source = null;

function connection(word, level) {
  if ($("connection").textContent === word) return;
  $("connection").textContent = word;
  $("connection").className = `badge ${level}`;
}

function listen() {
  if (source) source.close();
  const minutes = document.querySelector("input[name=range]:checked").value;
  source = new EventSource(`/live?minutes=${minutes}&after=${last}`);
  source.addEventListener("state", (event) => { connection("live", "ok"); show(JSON.parse(event.data)); });
  source.addEventListener("news", (event) => news(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    connection("not connected", "high");
    if (source.readyState === EventSource.CLOSED) setTimeout(again, 3000);
  });
}

/** The server has ended the session, or has gone: whoever is not signed in is asked to be. */
async function again() {
  try {
    const answer = await fetch("/", {method: "HEAD"});
    if (answer.redirected) location.assign("/login");
    else listen();
  } catch {
    setTimeout(again, 3000);
  }
}

document.querySelectorAll("input[name=range]").forEach((input) => input.addEventListener("change", listen));
window.addEventListener("pagehide", () => source && source.close());

// Playground

function coloured(pieces, colours) {
  return pieces.filter(([text]) => text).map(([text, family]) => {
    if (!family) return text;
    return make("mark", {class: `f${colours.get(family)}`, title: family, "data-family": family}, text);
  });
}

function result(told) {
  const families = [...new Set(told.mapping.map((entry) => entry.family))];
  const colours = new Map(families.map((family, place) => [family, place % COLOURS]));
  $("masked").replaceChildren(...coloured(told.masked, colours));
  $("restored").replaceChildren(...coloured(told.restored, colours));
  $("mapping").replaceChildren(...told.mapping.map((entry) => make("tr", {},
    make("td", {}, swatch(colours.get(entry.family)), entry.family),
    make("td", {}, make("code", {}, entry.value)), make("td", {}, make("code", {}, entry.placeholder)))));
  $("result").hidden = false;
  $("found").hidden = !told.mapping.length;
  const count = Object.values(told.counts).reduce((sum, one) => sum + one, 0);
  $("verdict").className = told.same ? "ok" : "problem";
  $("verdict").textContent = `${number.format(count)} values of ${families.length} families masked. `
    + (told.same ? "Restored, the text is the same, byte for byte." : "Restored, the text is not the same.");
}

const PROBLEMS = {401: "You are not signed in any more.", 403: "Please load the page again.", 413: "The text is too large."};

async function mask(event) {
  event.preventDefault();
  const button = $("try").querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("/playground", {method: "POST", body: $("text").value, headers: {"x-csrf-token": token}});
    if (answer.ok) result(await answer.json());
    else {
      $("verdict").className = "problem";
      $("verdict").textContent = PROBLEMS[answer.status] || `The dashboard answered with ${answer.status}.`;
    }
  } catch {
    $("verdict").className = "problem";
    $("verdict").textContent = "The dashboard cannot be reached.";
  } finally {
    button.disabled = false;
  }
}

$("try").addEventListener("submit", mask);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) mask(event);
});

listen();
