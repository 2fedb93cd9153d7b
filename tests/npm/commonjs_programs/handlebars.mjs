// packages: ["handlebars"]
import Handlebars from "handlebars";
Handlebars.registerHelper("loud", (text) => new Handlebars.SafeString(`<b>${text.toUpperCase()}</b>`));
Handlebars.registerPartial("item", "{{loud this}} ");
console.log(Handlebars.compile("{{#each items}}{{@index}} {{> item}}{{else}}none{{/each}}")({ items: ["a", "b"] }));
console.log(Handlebars.compile("{{#if x}}{{a.b}}{{/if}}{{#with a}}{{b}}{{/with}}{{{b}}}{{b}}")({ x: 1, a: { b: 2 }, b: "<i>" }));
console.log(Handlebars.precompile("{{a}}").slice(0, 10));
try {
  Handlebars.compile("{{#a}}")({});
} catch (error) {
  console.log(error.message);
}
