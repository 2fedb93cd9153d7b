// node:worker_threads: an app is its only thread. Node.js API: https://nodejs.org/api/worker_threads.html
const { BroadcastChannel, MessageChannel, MessagePort } = globalThis;
module.exports = {
  ...modules.refuse("worker_threads"), BroadcastChannel, MessageChannel, MessagePort, isMainThread: true, parentPort: null,
  resourceLimits: {}, threadId: 0, workerData: null,
};
