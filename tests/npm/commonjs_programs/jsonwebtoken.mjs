// packages: ["jsonwebtoken"]
import { createPublicKey } from "node:crypto";
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


// Made for this test.
const rsa = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDk4iZqZOYbDPHp
LCUnHJEGCYwFnebK5ICMqX8PIkx8dE8NeVE2OBQxNIIV7XuSIrVm2/zq/bnkN4R9
J/DuP8wxpRqIyOwTQrGfWevvmtKot/v1h5PdZDD5TebU+MYz1/oj7FQ6oNx4mHT0
DURQHPBVdoR7M4ANuvVtaNS9DKlHYOopdowNGhsJ0wca5Mw6YIUrjqHkcHnBbf4i
E0n8VmLF3jLlfFfQyErrTnZnHDyTux5UI7K/sdjLQzY2PsZKVmLUgR86hkor9g+V
qrdE0MFIiORXhV2NBQltqF71QOTGJ5LndL1h9mnEPHfxDkMY6je+6zDa4k/9m57L
GsGFoC+nAgMBAAECggEADyChUFvd14DaBkK8K+MX9LGx1vcyN0u18VYMh0gJjRo0
1Vuk0fQP5ZamWGOrTKPNoIA+rZtaa2p977Wxl1WRHeDfKZY6ACXiznjnfp0Zejw6
w2YUEEhcckXDUWUl2GxYZIJsqLlUCQZuiGjOEItxGPzt0aS8PGwUZ4hLszkAgS6X
G2u4G2yiUSmuiQV0a3ezEcAnoLQb3oBTgXkYi9YiEiVWLRvIDprob2YtJRUvFyNq
2W+qMcx5LcA+HC2X4CjejAAWPxPy97wnh87GsDovddjhFq20T4lltC0S+CAluZxK
y4UaYyNhAXLeX9psuwmmZNwmb59QxU1EPCzz4fHrTQKBgQD1HCo/6HpBfJTg1Plm
1LXdevw4zRTMHB3Yult58jOk8Dkh2nAx2k0C6fEKFz6p/gfygryGP/xTQhqspbHO
JpHVlgrEwqtrsZYidelmJA6vd3fXNMT5b+0h9omvVA0HWnri55l8GKm5Uf9qPVc6
Xi6cKyi6089eg5rXU1t5fGUamwKBgQDvDW0vni7NmHjiluPGgZXRxfQc+fDgd4bu
5T6X7SK3q+UOD87C2wfh43t5TJDgqz35B02awXM16YdYVmHhfR2MCkR076ScXJSC
4/wnMee02O/H3WhcAJ+eFf+808HlS6PqnC/k/AIQhtA6T5QhJAetCo1IB70iMv1o
fo/3hAbZ5QKBgDdlsjbXeCos2gkmmWegU6pHDZJY54ZqJGTDWcFp+DojAQahtBHQ
YO9zqEK7ljIdc/ZfjfRZqdG3cwfqOxF4riUz0CNATDX+4QvQ0nt/UsJdofxFtO8b
WOEAM4Yo3Pj4fiWiapIdkN6NpciBLKHIf4hUSNRQ4uFdpTVdZaNDdiZZAoGANquP
aPB4K7TPEKMJfIBuTwdCiM3wdKVhSolLA1vMMM0zGUAsPQvyhYqM1nTYPUlsZuNw
sA/F1XKO7Xjz8am3dCt09HlJ4CicHkMdi6kyIH3seHz+POw3lOPbFMgo89OUrTcD
DQ9FOZpbTLqeWeXvi3d6UBrU+llG8vre2fBr0LECgYEAlW7WSRI4LJjXux0+e8ce
OjEFXynlsROqUvILI2W0ciTg4o6imcQUvtXOdqyTYvB8YbTmHVhVJQaCtpLopzs9
yHBrj2+LYDPPp7f8buYt1YJBK3mJ1ErAi7KeUdKizhbwHcoNd3SlEBKCnRDBewI5
36KdLtZt17JwdY6wozCl50E=
-----END PRIVATE KEY-----
`;
const ec = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1b6whB/ASYQeS5jP
MCF7eT99XT6yZpndJ//GXIWIP4ehRANCAARw5y7+/elyhcNTImNhjrf5Q9t+hu8Q
aheG2Q2EBUTdMG8SSG5xRGe5dg4bgs3RHt6rEL9YVDcUpgrekCE4dxMc
-----END PRIVATE KEY-----
`;
for (const [algorithm, key] of [["RS256", rsa], ["PS384", rsa], ["ES256", ec]]) {
  const signed = jwt.sign({ sub: "ada", iat: 1 }, key, { algorithm }), open = createPublicKey(key);
  // With PSS and ECDSA no two signatures are alike.
  console.log(algorithm === "RS256" ? signed : signed.split(".").slice(0, 2), jwt.verify(signed, open, { algorithms: [algorithm] }));
  try {
    jwt.verify(`${signed.slice(0, -8)}AAAAAAAA`, open);
  } catch (error) {
    console.log(error.name, error.message);
  }
}
