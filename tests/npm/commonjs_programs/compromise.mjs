// packages: ["compromise"]
import nlp from "compromise";
const text = nlp("She sold 2 seashells to John Smith in Paris yesterday.");
console.log(text.people().text(), text.places().text());
console.log(text.clone().sentences().toFutureTense().text());
console.log(text.nouns().toPlural().text(), text.numbers().json().length);
