// packages: ["uuid3"]
import uuid from "uuid3";
import v4 from "uuid3/v4.js";
import v5 from "uuid3/v5.js";
console.log(v5("example.com", v5.DNS), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(v4()));
console.log(uuid.v4() !== uuid.v4(), uuid.v1().length);
console.log(uuid.v4({ random: new Array(16).fill(7) }));
