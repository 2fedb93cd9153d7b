// packages: ["jsonwebtoken"]
import jwt from "jsonwebtoken";
const token = jwt.sign({ sub: "ada", iat: 1700000000 }, "secret", { algorithm: "HS256", issuer: "me" });
console.log(token, jwt.verify(token, "secret", { issuer: "me" }), jwt.decode(token, { complete: true }));
const bad = [
  () => jwt.verify(token, "other"),
  () => jwt.verify(jwt.sign({ exp: 1 }, "s"), "s"),
  () => jwt.verify("x", "s"),
  () => jwt.verify(token, "secret", { audience: "you" }),
  () => jwt.sign({}, ""),
];
for (const attempt of bad) {
  try {
    attempt();
  } catch (error) {
    console.log(error.name, error.message, error instanceof jwt.JsonWebTokenError, error instanceof jwt.TokenExpiredError);
  }
}
for (const algorithm of ["HS384", "HS512"]) {
  const signed = await new Promise((resolve, reject) =>
    jwt.sign({ a: 1, iat: 1 }, Buffer.from("s"), { algorithm }, (error, made) => (error ? reject(error) : resolve(made))),
  );
  console.log(signed, await new Promise((resolve) => jwt.verify(signed, "s", (error, payload) => resolve(payload ?? error))));
}

