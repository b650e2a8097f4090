// server-everything listens on every address of the machine and does not say which free port it was given.
// Loaded before it (node --require), this keeps it on loopback and tells the port.
const { Server } = require("node:net");

const listen = Server.prototype.listen;

Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => console.error(`loopback port ${this.address().port}`));
  return listen.call(this, port, "127.0.0.1", ...rest);
};
