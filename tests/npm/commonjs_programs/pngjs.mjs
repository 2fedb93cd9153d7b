// packages: ["pngjs"]
import { PNG } from "pngjs";
const image = new PNG({ width: 5, height: 3, filterType: 4 });
for (let at = 0; at < image.data.length; at++) image.data[at] = at * 3;
const parts = [];
await new Promise((resolve, reject) => image.pack().on("data", (part) => parts.push(part)).on("end", resolve).on("error", reject));
const packed = Buffer.concat(parts);
console.log(packed.subarray(0, 33).toString("hex"));
const read = await new Promise((resolve, reject) => new PNG().parse(packed, (error, png) => (error ? reject(error) : resolve(png))));
console.log(read.width, read.height, read.data.equals(image.data));
new PNG().parse(Buffer.from("no image"), (error) => console.log(error.message));
