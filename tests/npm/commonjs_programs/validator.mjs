// packages: ["validator"]
import validator, * as all from "validator";
import isEmail from "validator/lib/isEmail.js";
console.log(validator.isEmail("a@example.com"), isEmail.default("nope"), validator.isIBAN("GB82WEST12345698765432"));
console.log(validator.escape("<a href='x'>"), validator.isCreditCard("4111111111111111"), validator.isURL("//x"));
console.log(validator.normalizeEmail("Some.Name+tag@GMAIL.com"), Object.keys(all), validator.isMobilePhone("+4915123456789", "de-DE"));
