// Log lines and events as list items: whatever an app wrote is only ever text.

const MOST = 1000;
const OWN = new Set(["kind", "timestamp", "level", "event", "app", "console", "error", "exception", "stack", "raw"]);

const shown = (value) => (Array.isArray(value) ? value.join(", ") : value);

const span = (name, text) => {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
};

function item(line, withApp) {
  const element = document.createElement("li");
  element.className = line.level ?? "info";
  element.append(span("time", String(line.timestamp ?? "").slice(11, 23)), " ");
  if (line.level) element.append(span("level", line.level.padEnd(7)), " ");
  if (withApp && line.app) element.append(span("app", `${line.app}: `));
  element.append(String(line.event ?? ""));
  const more = Object.entries(line).filter(([key]) => !OWN.has(key));
  if (more.length) element.append(span("more", ` ${more.map(([key, value]) => `${key}=${shown(value)}`).join(" ")}`));
  for (const key of ["error", "exception", "stack"]) if (line[key]) element.append(span("below", String(line[key])));
  return element;
}

// A list that shows the last lines, and follows them while it is scrolled to its end.
export class Lines {
  follow = true;

  constructor(list, { withApp = true } = {}) {
    this.list = list;
    this.withApp = withApp;
  }

  clear() {
    this.list.replaceChildren();
  }

  add(lines, lost = 0) {
    const { list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (lost) {
      const element = document.createElement("li");
      element.className = "lost";
      element.textContent = `… ${lost} lost, for they came faster than they could be sent`;
      list.append(element);
    }
    list.append(...lines.map((line) => item(line, this.withApp)));
    while (list.childElementCount > MOST) list.firstElementChild.remove();
    if (this.follow && atEnd) list.scrollTop = list.scrollHeight;
  }
}
