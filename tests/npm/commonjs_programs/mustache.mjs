// packages: ["mustache"]
import Mustache from "mustache";
const view = { list: [{ name: "a" }, { name: "b" }], raw: "<b>", shout: () => (text, render) => render(text).toUpperCase() };
console.log(Mustache.render("{{#list}}<{{name}}>{{/list}}{{{raw}}}{{raw}}{{^none}}none{{/none}}", view));
console.log(Mustache.render("{{#shout}}{{list.0.name}} {{> part}}{{/shout}}", view, { part: "[{{raw}}]" }));
try {
  Mustache.render("{{#a}}", {});
} catch (error) {
  console.log(error.message);
}
