// The table of apps: sorted, filtered, walked through by keys.

import { History, megabytes, number } from "./charts.js";

const SHOWN = 500;

const COLUMNS = [
  { field: "name", title: "App", show: (value) => value, rising: true },
  { field: "state", title: "State", show: (value) => value, rising: true },
  { field: "requests_per_s", title: "Req/s", long: "Requests a second", show: number },
  { field: "errors_per_s", title: "Err/s", long: "Errors a second", show: number },
  { field: "p50_ms", title: "p50 ms", show: (value) => number(value, 2) },
  { field: "p99_ms", title: "p99 ms", show: (value) => number(value, 2) },
  { field: "cpu_percent", title: "CPU %", show: number },
  { field: "memory_bytes", title: "MB", long: "Memory in megabytes", show: megabytes },
  { field: "mailbox", title: "Mailbox", long: "Requests that wait to begin", show: number },
  { field: "connections", title: "Conn.", long: "Requests in progress and open WebSockets", show: number },
  { field: "restarts", title: "Restarts", show: number },
];

// What is known of one app: its status, its last figures, and their history.
export class App {
  status = {};
  figures = {};
  rates = new History();
  p50 = new History();
  p99 = new History();
  cpu = new History();
  memory = new History();

  constructor(name) {
    this.name = name;
  }

  get state() {
    return this.status.state === "quarantined" ? "quarantined" : (this.figures.state ?? this.status.state ?? "");
  }

  take(figures) {
    this.figures = { ...figures, connections: figures.in_flight + figures.sockets };
    this.rates.add(figures.requests_per_s);
    this.p50.add(figures.p50_ms);
    this.p99.add(figures.p99_ms);
    this.cpu.add(figures.cpu_percent);
    this.memory.add(figures.memory_bytes / 1048576);
  }

  value(field) {
    if (field === "name") return this.name;
    if (field === "state") return this.state;
    return this.figures[field] ?? this.status[field] ?? null;
  }
}

export class Table {
  selected = null;
  filter = "";
  #sort = COLUMNS[2];
  #rising = false;
  #rows = new Map();
  #head;
  #body;
  #count;
  #choose;

  constructor(table, count, choose) {
    this.#head = table.tHead.rows[0];
    this.#body = table.tBodies[0];
    this.#count = count;
    this.#choose = choose;
    for (const column of COLUMNS) {
      const cell = document.createElement("th");
      cell.scope = "col";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      if (column.long) button.title = column.long;
      button.onclick = () => this.sort(column);
      cell.append(button);
      this.#head.append(cell);
    }
    this.#body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-name]");
      if (row) this.#choose(row.dataset.name);
    });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.sort(this.#sort);
  }

  sort(column) {
    this.#rising = column === this.#sort && this.drawn ? !this.#rising : Boolean(column.rising);
    this.#sort = column;
    COLUMNS.forEach((each, index) => {
      const cell = this.#head.cells[index];
      if (each === column) cell.setAttribute("aria-sort", this.#rising ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    if (this.drawn) this.draw(this.drawn);
  }

  #chosen(apps) {
    const wanted = this.filter.trim().toLowerCase();
    const { field } = this.#sort;
    const sign = this.#rising ? 1 : -1;
    return [...apps.values()]
      .filter((app) => !wanted || `${app.name} ${app.state}`.toLowerCase().includes(wanted))
      .sort((a, b) => {
        const [one, two] = [a.value(field), b.value(field)];
        if (one !== two) {
          // What is not known stands at the end.
          if (one === null) return 1;
          if (two === null) return -1;
          return one < two ? -sign : sign;
        }
        return a.name < b.name ? -1 : 1;
      });
  }

  draw(apps) {
    this.drawn = apps;
    const chosen = this.#chosen(apps);
    const shown = chosen.slice(0, SHOWN);
    const focused = this.#body.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const rows = shown.map((app) => this.#row(app));
    const tabbable = shown.some((app) => app.name === this.selected) ? this.selected : shown[0]?.name;
    for (const row of rows) row.tabIndex = row.dataset.name === tabbable ? 0 : -1;
    if (rows.length !== this.#body.rows.length || rows.some((row, index) => this.#body.rows[index] !== row)) {
      this.#body.replaceChildren(...(rows.length ? rows : [this.#empty(apps.size)]));
      if (focused) this.#rows.get(focused)?.focus();
    }
    for (const name of this.#rows.keys()) if (!apps.has(name)) this.#rows.delete(name);
    const more = chosen.length > SHOWN ? `, the first ${SHOWN} of them shown` : "";
    this.#count.textContent = chosen.length === apps.size && !more ? `${apps.size} apps` : `${chosen.length} of ${apps.size} apps${more}`;
  }

  #empty(known) {
    const row = document.createElement("tr");
    const cell = row.insertCell();
    cell.className = "empty";
    cell.colSpan = COLUMNS.length;
    cell.textContent = known ? "No app matches the filter." : "There are no apps.";
    return row;
  }

  #row(app) {
    let row = this.#rows.get(app.name);
    if (!row) {
      row = document.createElement("tr");
      row.dataset.name = app.name;
      for (const column of COLUMNS) {
        const cell = row.insertCell();
        if (column.field === "state") cell.append(document.createElement("span"));
      }
      this.#rows.set(app.name, row);
    }
    row.className = app.state;
    row.setAttribute("aria-selected", String(app.name === this.selected));
    COLUMNS.forEach((column, index) => {
      const cell = row.cells[index];
      const target = column.field === "state" ? cell.firstChild : cell;
      const text = column.show(app.value(column.field));
      if (target.textContent !== text) target.textContent = text;
      if (column.field === "state") target.className = `pill ${app.state}`;
    });
    return row;
  }

  // Moves the focus, and with a detail open the choice.
  #key(event) {
    const row = event.target.closest("tr[data-name]");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowDown: row.nextElementSibling, j: row.nextElementSibling, ArrowUp: row.previousElementSibling, k: row.previousElementSibling, Home: this.#body.firstElementChild, End: this.#body.lastElementChild };
    if (event.key in moves) {
      event.preventDefault();
      event.stopPropagation();
      const next = moves[event.key];
      if (!next) return;
      row.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      if (this.selected) this.#choose(next.dataset.name, { keepFocus: true });
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#choose(row.dataset.name, { keepFocus: true });
    }
  }

  focus(name = this.selected) {
    (this.#rows.get(name) ?? this.#body.querySelector("tr[tabindex='0']"))?.focus();
  }
}
