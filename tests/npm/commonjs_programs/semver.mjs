// packages: ["semver"]
import semver from "semver";
import { satisfies, SemVer } from "semver";
import coerce from "semver/functions/coerce.js";
console.log(satisfies("1.2.3", "^1.0.0 || >=3"), semver.inc("1.2.3-rc.1", "prerelease"), coerce("v2.1").version);
console.log(semver.sort(["2.0.0", "1.0.0-rc.1", "1.0.0"]), semver.validRange("~1.2 <1.2.9"), new SemVer("1.2.3+b").build);
console.log(semver.intersects("^1.2", "<1.3"), semver.minVersion(">1.2.3").version);
