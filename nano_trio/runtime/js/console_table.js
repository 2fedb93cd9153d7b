// console.table: the Console Standard, https://console.spec.whatwg.org/#table , drawn as Node draws it.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { isArray } = statics.Array;
  const { keys: keysOf } = statics.Object;
  const { max } = statics.Math;
  const { inspect, widthOf, attempt, ownDescriptor, proxyTarget, isObject } = platform.load("inspect");
  const { items } = platform.load("inspect_classes");
  const join = uncurry("Array", "join");
  const indexOf = uncurry("Array", "indexOf");
  const repeat = uncurry("String", "repeat");

  // A table shows at most this many rows and columns.
  const MAX_ROWS = 1000;
  const MAX_COLUMNS = 100;

  function cell(value) {
    const isWide = isRow(value) && !isArray(value) && keysOf(value).length > 2;
    return inspect(value, { maxArrayLength: 3, breakLength: Infinity, compact: 3, depth: isWide ? -1 : 0 });
  }
  /** object[key] of an own property that is no accessor. */
  function valueOf(object, key) {
    return attempt(() => ownDescriptor(object, key)?.value);
  }
  function isRow(value) {
    return isObject(value) && proxyTarget(value) === undefined;
  }

  function draw(heads, rows) {
    const widths = [];
    for (let i = 0; i < heads.length; i++) {
      widths[i] = widthOf(heads[i]);
      for (let j = 0; j < rows.length; j++) widths[i] = max(widths[i], widthOf(rows[j][i]));
    }
    const rule = (left, middle, right) => {
      const lines = [];
      for (let i = 0; i < widths.length; i++) lines[i] = repeat("─", widths[i] + 2);
      return left + join(lines, middle) + right;
    };
    const line = (cells) => {
      const padded = [];
      for (let i = 0; i < widths.length; i++)
        padded[i] = ` ${cells[i]}${repeat(" ", widths[i] - widthOf(cells[i]) + 1)}`;
      return "│" + join(padded, "│") + "│";
    };
    let text = `${rule("┌", "┬", "┐")}\n${line(heads)}\n${rule("├", "┼", "┤")}\n`;
    for (let i = 0; i < rows.length; i++) text += `${line(rows[i])}\n`;
    return text + rule("└", "┴", "┘");
  }

  /** `tabularData`, an object, as a table; `properties` names the columns where it is given. */
  function table(tabularData, properties) {
    if (!isRow(tabularData)) return inspect(tabularData);
    const collection = items(tabularData, MAX_ROWS);
    const rows = [];
    let heads;
    if (collection !== undefined) {
      heads = collection.isMap ? ["(iteration index)", "Key", "Values"] : ["(iteration index)", "Values"];
      for (let i = 0; i < collection.items.length; i++) {
        const item = collection.items[i];
        rows[i] = collection.isMap ? [`${i}`, cell(item[0]), cell(item[1])] : [`${i}`, cell(item)];
      }
    } else {
      heads = ["(index)"];
      const columns = properties ?? [];
      const keys = keysOf(tabularData);
      const primitives = [];
      const cells = [];
      for (let i = 0; i < keys.length && i < MAX_ROWS; i++) {
        const row = valueOf(tabularData, keys[i]);
        cells[i] = { __proto__: null };
        if (!isRow(row) || typeof row === "function") {
          if (properties === undefined) primitives[i] = cell(row);
          continue;
        }
        const names = properties ?? keysOf(row);
        for (let j = 0; j < names.length && j < MAX_COLUMNS; j++) {
          const descriptor = attempt(() => ownDescriptor(row, names[j]));
          if (properties === undefined && indexOf(columns, names[j]) < 0 && columns.length < MAX_COLUMNS)
            columns[columns.length] = names[j];
          if (descriptor !== undefined) cells[i][names[j]] = cell(descriptor.value);
        }
      }
      for (let j = 0; j < columns.length; j++) heads[j + 1] = columns[j];
      if (primitives.length > 0) heads[heads.length] = "Values";
      for (let i = 0; i < cells.length; i++) {
        rows[i] = [keys[i]];
        for (let j = 0; j < columns.length; j++) rows[i][j + 1] = cells[i][columns[j]] ?? "";
        if (primitives.length > 0) rows[i][columns.length + 1] = primitives[i] ?? "";
      }
    }
    return draw(heads, rows);
  }

  return { __proto__: null, table };
}
