// node:tty: nothing here is a terminal. Node.js API, TTY: https://nodejs.org/api/tty.html
module.exports = { ...modules.refuse("tty"), isatty: () => false };
