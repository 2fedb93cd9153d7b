// What test_node_http.py's programs talk to: it says what it was asked, and where told so fails. Prints its port.
import http from "node:http";
import zlib from "node:zlib";

const answers = {
  "/zipped": (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(zlib.gzipSync("zipped")),
  "/redirected": (response) => response.writeHead(302, { location: "/x" }).end(),
  "/cut": (response) => response.writeHead(200, { "content-length": "50" }).write("abc", () => response.destroy()),
  "/half": (response) => response.writeHead(200, { "content-length": "50" }).write("abc"),
  "/never": () => {},
};
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const { method, url, headers } = request;
    if (answers[url]) answers[url](response);
    else {
      response.writeHead(201, "Made", { "x-a": "1", "set-cookie": ["a=1", "b=2"] });
      response.end(JSON.stringify({ method, url, headers, body: String(Buffer.concat(parts)) }));
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
