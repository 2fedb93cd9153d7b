// node:https: its client; servers are refused. Node.js API, HTTPS: https://nodejs.org/api/https.html
const { SecureAgent, https } = platform.load("node_http_client");

module.exports = { ...modules.refuse("https"), Agent: SecureAgent, ...https, globalAgent: new SecureAgent({ keepAlive: true }) };
