/** A service that says who it is, and what it was given. */
const { createServer } = require('node:http');

createServer((request, response) => {
  if (request.url === '/secret') response.end(process.env.TOKEN);
  else response.end(`${process.env.CELL_FUNCTION} on ${process.env.CELL_NAME}`);
}).listen(Number(process.env.PORT), process.env.HOST);
