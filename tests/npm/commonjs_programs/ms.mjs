// packages: ["ms"]
import ms, * as all from "ms";
console.log(ms("2 days"), ms("-1.5h"), ms(60000), ms(36e6, { long: true }));
console.log(Object.keys(all), all.default === ms);
try {
  ms({});
} catch (error) {
  console.log(error.name, error.message);
}
