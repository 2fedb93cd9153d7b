// The dashboard: what comes over the WebSocket goes to the views, what is clicked and typed goes back.

import { App, Table } from "./apps.js";
import { Chart, History, number } from "./charts.js";
import { Lines } from "./lines.js";
import { Rpc } from "./rpc.js";
import { Tree } from "./tree.js";

const $ = (id) => document.getElementById(id);
const TOKEN = "nano-trio-admin-token";
const LIST_EVERY_MS = 5000;

// -- the token: from the address's fragment, which is never sent, or from whoever sits here; kept for this tab ---------

const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has("token")) {
  sessionStorage.setItem(TOKEN, fragment.get("token"));
  history.replaceState(null, "", location.pathname);
}

let asking = null;

async function askToken(refused) {
  if (refused && !asking) {
    sessionStorage.removeItem(TOKEN);
    $("token-why").textContent = refused;
  }
  const kept = sessionStorage.getItem(TOKEN);
  if (kept) return kept;
  if (!asking) {
    $("token").value = "";
    asking = shown($("token-dialog"));
  }
  await asking;
  asking = null;
  sessionStorage.setItem(TOKEN, $("token").value);
  return $("token").value;
}

// Shows a dialog until it is closed; gives the value of the button that did.
function shown(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

const rpc = new Rpc(askToken);
const apps = new Map();
let chosen = null;
let endChosenLog = null;

// -- the whole process ----------------------------------------------------------------------------------------------------

const whole = {
  rate: new Chart("Requests", { unit: "/s" }),
  errors: new Chart("Errors", { unit: "/s" }),
  p99: new Chart("Slowest app's p99", { unit: "ms", show: (value) => number(value, 2) }),
  cpu: new Chart("CPU", { unit: "%" }),
  memory: new Chart("Memory", { unit: "MB" }),
  lag: new Chart("Loop lag", { unit: "ms", show: (value) => number(value, 2) }),
};
const histories = Object.fromEntries(Object.keys(whole).map((key) => [key, new History()]));
$("figures").append(...Object.values(whole).map((chart) => chart.element));

function drawWhole(sample) {
  const sum = (field) => sample.apps.reduce((total, app) => total + (app[field] ?? 0), 0);
  const slowest = sample.apps.map((app) => app.p99_ms).filter((value) => value !== null);
  const known = sample.interval_s !== null;
  histories.rate.add(known ? sum("requests_per_s") : null);
  histories.errors.add(known ? sum("errors_per_s") : null);
  histories.p99.add(slowest.length ? Math.max(...slowest) : null);
  histories.cpu.add(sample.cpu_percent);
  histories.memory.add(sample.resident_bytes / 1048576);
  histories.lag.add(sample.loop_lag_ms);
  for (const [key, chart] of Object.entries(whole)) chart.draw(histories[key]);
}

// -- apps -----------------------------------------------------------------------------------------------------------------

const table = new Table($("table"), $("count"), choose);
const charts = {
  rate: new Chart("Requests", { unit: "/s" }),
  latency: new Chart("Latency", { unit: "ms", keys: ["p50", "p99"], show: (value) => number(value, 2) }),
  cpu: new Chart("CPU", { unit: "%" }),
  memory: new Chart("Memory", { unit: "MB" }),
};
$("detail-charts").append(...Object.values(charts).map((chart) => chart.element));
const detailLog = new Lines($("detail-log"), { withApp: false });

function appOf(name) {
  if (!apps.has(name)) apps.set(name, new App(name));
  return apps.get(name);
}

async function list() {
  const found = (await rpc.call("apps.list")).apps;
  const names = new Set(found.map((app) => app.name));
  for (const name of apps.keys()) if (!names.has(name)) apps.delete(name);
  for (const status of found) appOf(status.name).status = status;
  $("app-names").replaceChildren(
    ...found.slice(0, 500).map((app) => Object.assign(document.createElement("option"), { value: app.name })),
  );
  $("tab-apps").replaceChildren("Apps", Object.assign(document.createElement("span"), { className: "badge", textContent: found.length }));
  if (chosen && !apps.has(chosen)) choose(null);
  draw();
}

function takeSample(sample) {
  drawWhole(sample);
  const seen = new Set();
  for (const figures of sample.apps) {
    seen.add(figures.name);
    appOf(figures.name).take(figures);
  }
  // Those that are left out of large samples sleep.
  for (const app of apps.values()) if (!seen.has(app.name)) app.figures = { ...app.figures, requests_per_s: 0, cpu_percent: 0 };
  draw();
}

function draw() {
  table.draw(apps);
  drawDetail();
}

function choose(name, { keepFocus = false } = {}) {
  if (name !== chosen) {
    endChosenLog?.();
    endChosenLog = null;
    detailLog.clear();
    chosen = name;
    if (name) followLog(name);
  }
  table.selected = name;
  $("detail").hidden = !name;
  document.querySelector(".columns").classList.toggle("with-detail", Boolean(name));
  draw();
  if (name && !keepFocus) $("detail-name").focus({ preventScroll: true });
}

async function followLog(name) {
  endChosenLog = rpc.subscribe("logs", { app: name }, (lines, lost) => chosen === name && detailLog.add(lines, lost));
  const { lines } = await rpc.call("logs", { app: name, limit: 100 }).catch(() => ({ lines: [] }));
  if (chosen === name) detailLog.list.prepend(...before(lines));
}

// What was logged before, as list items.
function before(lines) {
  const list = document.createElement("ol");
  new Lines(list, { withApp: false }).add(lines);
  return list.children;
}

function drawDetail() {
  const app = apps.get(chosen);
  if (!app) return;
  const { status } = app;
  $("detail-name").textContent = app.name;
  $("detail-state").textContent = app.state;
  $("detail-state").className = `pill ${app.state}`;
  $("detail-urls").textContent = [...(status.urls ?? []), status.path].filter(Boolean).join("  ·  ");
  const trouble = [
    status.quarantine && `Quarantined: ${status.quarantine}`,
    status.last_reload_error && `The new version does not load: ${status.last_reload_error}`,
    status.last_error && `Last crash: ${status.last_error}`,
  ].filter(Boolean);
  $("detail-trouble").hidden = !trouble.length;
  $("detail-trouble").textContent = trouble.join("\n\n");
  charts.rate.draw(app.rates);
  charts.latency.draw(app.p50, app.p99);
  charts.cpu.draw(app.cpu);
  charts.memory.draw(app.memory);
  for (const button of document.querySelectorAll("[data-action]")) {
    const { action } = button.dataset;
    button.hidden = action === "lift" && app.state !== "quarantined";
    button.disabled = (action === "drain" && app.state === "draining") || (action === "restart" && app.state === "quarantined");
  }
}

// -- actions --------------------------------------------------------------------------------------------------------------

let toastTimer = 0;

function toast(text, bad = false) {
  $("toast").textContent = text;
  $("toast").className = bad ? "bad" : "";
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), bad ? 8000 : 3000);
}

// Does it, says so, and looks again; errors are said as the server words them.
async function act(told, method, params) {
  try {
    const result = await rpc.call(method, params);
    toast(typeof told === "function" ? told(result) : told);
  } catch (error) {
    toast(error.message, true);
  }
  await look();
}

const actions = {
  restart: (name) => act(`${name} is restarted`, "apps.restart", { name }),
  drain: (name) => act(`${name} is drained`, "apps.drain", { name }),
  lift: (name) => act(`${name} may run again`, "apps.lift", { name }),
  async remove(name) {
    $("confirm-title").textContent = `Remove ${name}?`;
    $("confirm-text").textContent = "New requests are refused; those it has begun may finish.";
    if ((await shown($("confirm-dialog"))) === "yes") await act(`${name} is removed`, "apps.remove", { name });
  },
};

for (const button of document.querySelectorAll("[data-action]"))
  button.onclick = () => chosen && actions[button.dataset.action](chosen);

const reload = () =>
  act((report) => {
    const failed = Object.keys(report.failed);
    if (failed.length) throw new Error(`These go on with their old version: ${failed.map((name) => `${name}: ${report.failed[name]}`).join("\n")}`);
    const changes = ["added", "removed", "replaced", "updated", "settings"].filter((key) => report[key].length).map((key) => `${key}: ${report[key].join(", ")}`);
    return changes.join("; ") || "Nothing has changed";
  }, "reload");

function add() {
  $("add-error").hidden = true;
  $("add-dialog").showModal();
}

$("add-dialog").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const more = $("add-more").value.trim() ? JSON.parse($("add-more").value) : {};
    const hostname = $("add-hostnames").value.split(/\s+/).filter(Boolean);
    const app = { name: $("add-name").value, path: $("add-path").value, ...(hostname.length ? { hostname } : {}), ...more };
    await rpc.call("apps.add", app);
    $("add-dialog").close();
    event.target.reset();
    toast(`${app.name} is served`);
    await list();
    choose(app.name);
  } catch (error) {
    $("add-error").textContent = error.message;
    $("add-error").hidden = false;
  }
});

for (const button of document.querySelectorAll("[data-close]")) button.onclick = () => button.closest("dialog").close();

// -- the other views ------------------------------------------------------------------------------------------------------

const tree = new Tree($("tree-root"));
const log = new Lines($("log"));
const events = new Lines($("event-list"));
let endLog = null;

async function followAll() {
  endLog?.();
  log.clear();
  const app = $("logs-app").value.trim();
  const params = { level: $("logs-level").value, ...(app ? { app } : {}) };
  endLog = rpc.subscribe("logs", params, (lines, lost) => log.add(lines, lost));
  try {
    const { lines } = await rpc.call("logs", { ...params, limit: 200 });
    const list = document.createElement("ol");
    new Lines(list).add(lines);
    log.list.prepend(...list.children);
    log.list.scrollTop = log.list.scrollHeight;
  } catch (error) {
    toast(error.message, true);
  }
}

$("logs-app").onchange = $("logs-level").onchange = followAll;
$("logs-clear").onclick = () => log.clear();
$("logs-follow").onchange = (event) => (log.follow = event.target.checked);

const views = ["apps", "tree", "logs", "events"];
let endTree = null;

function view(name) {
  for (const each of views) {
    $(each).hidden = each !== name;
    const tab = $(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
  }
  $("view").setAttribute("aria-labelledby", `tab-${name}`);
  // Only what is looked at is asked for.
  if (name === "tree") endTree ??= rpc.subscribe("tree", {}, (items) => tree.draw(items.at(-1)));
  else endTree = endTree?.();
  if (name === "logs") followAll();
  else endLog = endLog?.();
}

const tabs = document.querySelector("[role=tablist]");
tabs.addEventListener("click", (event) => event.target.closest("[data-view]") && view(event.target.closest("[data-view]").dataset.view));
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const index = views.findIndex((name) => $(`tab-${name}`) === document.activeElement);
  const next = views[(index + step + views.length) % views.length];
  view(next);
  $(`tab-${next}`).focus();
});

// -- keys -----------------------------------------------------------------------------------------------------------------

const goTo = (name) => () => {
  view(name);
  if (name === "apps") table.focus();
  else $(name).querySelector("[tabindex='0']")?.focus();
};

const SHORTCUTS = [
  ["1", "Apps", goTo("apps")],
  ["2", "Tree", goTo("tree")],
  ["3", "Logs", goTo("logs")],
  ["4", "Events", goTo("events")],
  ["/", "Filter the apps", () => (view("apps"), $("filter").select(), $("filter").focus())],
  ["j, k, ↓, ↑", "Next app, previous app", () => {}],
  ["Enter", "Open the app", () => {}],
  ["Esc", "Close what is open", () => (chosen ? (choose(null), table.focus()) : ($("filter").value = table.filter = "", draw()))],
  ["r", "Restart the open app", () => chosen && actions.restart(chosen)],
  ["d", "Drain the open app", () => chosen && actions.drain(chosen)],
  ["x", "Remove the open app", () => chosen && actions.remove(chosen)],
  ["a", "Add an app", add],
  ["R", "Reload the configuration and the code", reload],
  ["t", "Light or dark", switchTheme],
  ["?", "This list", () => shown($("help-dialog"))],
];
for (const [key, text] of SHORTCUTS) {
  const term = document.createElement("dt");
  key.split(", ").forEach((each) => term.append(Object.assign(document.createElement("kbd"), { textContent: each }), " "));
  $("shortcuts").append(term, Object.assign(document.createElement("dd"), { textContent: text }));
}
const byKey = new Map(SHORTCUTS.map(([key, , run]) => [key === "Esc" ? "Escape" : key, run]));

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, select, textarea");
  if (typing && event.key === "Escape") {
    event.target.blur();
    table.focus();
  } else if (!typing && (event.key === "j" || event.key === "ArrowDown") && event.target === document.body) {
    event.preventDefault();
    table.focus();
  } else if (!typing && byKey.has(event.key)) {
    event.preventDefault();
    byKey.get(event.key)();
  }
});

$("filter").oninput = () => {
  table.filter = $("filter").value;
  draw();
};
$("filter").onkeydown = (event) => {
  if (event.key !== "Enter" && event.key !== "ArrowDown") return;
  event.preventDefault();
  table.focus();
};
$("detail-close").onclick = () => (choose(null), table.focus());
$("reload").onclick = reload;
$("add").onclick = add;
$("help").onclick = () => shown($("help-dialog"));
$("theme").onclick = switchTheme;

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("nano-trio-theme", root.dataset.theme);
}
const theme = localStorage.getItem("nano-trio-theme");
if (theme) document.documentElement.dataset.theme = theme;

// -- the connection -------------------------------------------------------------------------------------------------------

function showHealth(health) {
  $("status").textContent = health.status;
  $("status").className = `pill ${health.status}`;
  const hours = health.uptime_s / 3600;
  const up = hours >= 48 ? `${Math.floor(hours / 24)} days` : hours >= 1 ? `${Math.floor(hours)} h` : `${Math.floor(health.uptime_s / 60)} min`;
  $("facts").textContent = `version ${health.version}, up ${up}`;
  $("trouble").hidden = !health.problems.length;
  $("trouble").textContent = health.problems.map((problem) => problem.split("\n")[0]).join("\n");
}

async function look() {
  try {
    const [health] = await Promise.all([rpc.call("health"), list()]);
    showHealth(health);
  } catch {
    // The connection is lost; it says so itself.
  }
}

rpc.addEventListener("open", look);
rpc.addEventListener("closed", () => {
  $("status").textContent = "no connection";
  $("status").className = "pill closed";
});
setInterval(() => document.visibilityState === "visible" && look(), LIST_EVERY_MS);

rpc.subscribe("metrics", { interval_s: 1 }, (samples) => samples.forEach(takeSample));
rpc.subscribe("events", {}, (items, lost) => {
  events.add(items, lost);
  look();
});
view("apps");
rpc.connect();
