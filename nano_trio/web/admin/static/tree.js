// The supervision tree, as the ARIA Authoring Practices describe a tree: arrows move, left and right fold.

export class Tree {
  #root;
  #folded = new Set();
  #current = "";

  constructor(root) {
    this.#root = root;
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("click", (event) => {
      const node = event.target.closest("[role=treeitem]");
      if (!node) return;
      if (event.target.classList.contains("mark")) this.#fold(node, node.getAttribute("aria-expanded") === "true");
      this.#focus(node);
    });
  }

  draw(tree) {
    const focused = this.#root.contains(document.activeElement);
    this.#root.replaceChildren(this.#node(tree, ""));
    const nodes = this.#visible();
    const current = nodes.find((node) => node.dataset.path === this.#current) ?? nodes[0];
    if (current) current.tabIndex = 0;
    if (focused) current?.focus();
  }

  #node(node, above) {
    const path = `${above}/${node.id}`;
    const element = document.createElement("li");
    element.setAttribute("role", "treeitem");
    element.dataset.path = path;
    element.tabIndex = -1;
    const line = document.createElement("div");
    line.className = "node";
    const add = (name, text) => {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      line.append(part);
    };
    const children = node.children ?? [];
    const folded = this.#folded.has(path);
    add("mark", children.length ? (folded ? "▸" : "▾") : "");
    add("name", node.id);
    if (node.state) add(`pill ${node.state === "running" || node.state === "serving" ? "ok" : node.state}`, node.state);
    const facts = [node.strategy, node.restart].filter(Boolean);
    if (node.restarts) facts.push(`${node.restarts} restarts`);
    if (node.count) facts.push(`${node.count} more`);
    if (node.asleep) facts.push(`${node.asleep} asleep`);
    if (facts.length) add("faint", facts.join(", "));
    if (node.last_error && node.state !== "running") add("why", node.last_error.split("\n")[0]);
    element.append(line);
    if (children.length) {
      element.setAttribute("aria-expanded", String(!folded));
      const list = document.createElement("ul");
      list.setAttribute("role", "group");
      const known = new Map();
      list.append(
        ...children.map((child) => {
          // Two of one name must not share their place.
          const count = known.get(child.id) ?? 0;
          known.set(child.id, count + 1);
          return this.#node(child, count ? `${path}#${count}` : path);
        }),
      );
      element.append(list);
    }
    return element;
  }

  #visible() {
    return [...this.#root.querySelectorAll("[role=treeitem]")].filter(
      (node) => !node.parentElement.closest("[aria-expanded=false]"),
    );
  }

  #focus(node) {
    for (const other of this.#root.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    this.#current = node.dataset.path;
    node.tabIndex = 0;
    node.focus();
  }

  #fold(node, folded) {
    node.setAttribute("aria-expanded", String(!folded));
    node.querySelector(".mark").textContent = folded ? "▸" : "▾";
    if (folded) this.#folded.add(node.dataset.path);
    else this.#folded.delete(node.dataset.path);
  }

  #key(event) {
    const node = event.target.closest("[role=treeitem]");
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const nodes = this.#visible();
    const index = nodes.indexOf(node);
    const expanded = node.getAttribute("aria-expanded");
    const moves = {
      ArrowDown: () => nodes[index + 1],
      ArrowUp: () => nodes[index - 1],
      Home: () => nodes[0],
      End: () => nodes.at(-1),
      ArrowRight: () => (expanded === "false" ? this.#fold(node, false) : expanded && nodes[index + 1]),
      ArrowLeft: () =>
        expanded === "true" ? this.#fold(node, true) : node.parentElement.closest("[role=treeitem]"),
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = moves[event.key]();
    if (next) this.#focus(next);
  }
}
