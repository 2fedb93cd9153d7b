// Small line charts in SVG, and how numbers are written.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 44;
const POINTS = 120;
const FEWEST = 30;

export const number = (value, digits = 1) =>
  value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: value >= 1000 ? 0 : digits });

export const megabytes = (bytes) => (bytes ? number(bytes / 1048576) : "–");

// The last values of something; what is not known is null.
export class History {
  values = [];

  add(value) {
    this.values.push(value ?? null);
    if (this.values.length > POINTS) this.values.shift();
  }

  get last() {
    return this.values.at(-1) ?? null;
  }
}

const svg = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

// The first minute fills the chart; from then on it moves to the left.
const span = (values) => Math.max(values.length, FEWEST);

function path(values, top, points) {
  const step = WIDTH / (points - 1);
  const first = points - values.length;
  let text = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    const y = HEIGHT - 1 - (value / top) * (HEIGHT - 4);
    text += `${pen}${((first + index) * step).toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return text;
}

function area(values, top, points) {
  const known = values.findLastIndex((value) => value === null) + 1;
  const rest = values.slice(known);
  if (rest.length < 2) return "";
  const x = (WIDTH * (points - rest.length)) / (points - 1);
  return `${path(rest, top, points)}L${WIDTH} ${HEIGHT}L${x.toFixed(1)} ${HEIGHT}Z`;
}

// A card with a name, a value and a chart of one or two lines.
export class Chart {
  element = document.createElement("div");
  #value = document.createElement("p");
  #svg = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #area = svg("path", { class: "area" });
  #lines;

  constructor(name, { unit = "", keys = [], show = number } = {}) {
    this.name = name;
    this.unit = unit;
    this.show = show;
    this.element.className = "card";
    const title = document.createElement("p");
    title.className = "name";
    title.append(name);
    if (keys.length) {
      const legend = document.createElement("span");
      keys.forEach((key, index) => {
        const entry = document.createElement("span");
        entry.className = `key-${index + 1}`;
        entry.textContent = `${index ? " " : ""}● ${key}`;
        legend.append(entry);
      });
      title.append(legend);
    }
    this.#value.className = "value";
    this.#lines = ["one", "two"].slice(0, Math.max(1, keys.length)).map((kind) => svg("path", { class: `line ${kind}` }));
    this.#svg.append(
      svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      this.#area,
      ...this.#lines,
    );
    this.element.append(title, this.#value, this.#svg);
  }

  // One history for each line.
  draw(...histories) {
    const known = histories.flatMap((history) => history.values).filter((value) => value !== null);
    const top = Math.max(...known, 1e-9) * 1.1;
    const points = span(histories[0].values);
    histories.forEach((history, index) => this.#lines[index].setAttribute("d", path(history.values, top, points)));
    this.#area.setAttribute("d", area(histories[0].values, top, points));
    const texts = histories.map((history) => this.show(history.last));
    const unit = document.createElement("small");
    unit.textContent = ` ${this.unit}`;
    this.#value.replaceChildren(texts.join(" / "), unit);
    const most = this.show(known.length ? Math.max(...known) : null);
    this.#svg.setAttribute("aria-label", `${this.name}: ${texts.join(" and ")} ${this.unit}, at most ${most} lately`);
  }
}
