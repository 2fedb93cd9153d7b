// packages: ["dayjs"]
import dayjs from "dayjs";
import utc from "dayjs/plugin/utc.js";
import relativeTime from "dayjs/plugin/relativeTime.js";
import "dayjs/locale/de.js";
dayjs.extend(utc);
dayjs.extend(relativeTime);
console.log(dayjs.utc("2020-01-31T10:00:00Z").add(1, "month").format("YYYY-MM-DD HH:mm Z"));
console.log(dayjs.utc("2020-01-01").locale("de").format("dddd, D. MMMM"), dayjs("2020-01-01").to(dayjs("2021-01-02")));
console.log(dayjs("2020-02-30x").isValid(), dayjs.utc(0).toISOString(), dayjs.utc("2024-03-01").diff("2024-02-01", "day"));
