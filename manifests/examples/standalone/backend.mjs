// A backend to try the examples with: node backend.mjs NAME PORT [PERCENTAGE OF ERRORS] [ADDRESS]
import { createServer } from 'node:http';

const [name = 'v1', port = '9001', errors = '0', address = '127.0.0.1'] = process.argv.slice(2);

const server = createServer((request, response) => {
  const isProbe = request.url === '/healthz';
  const hasFailed = !isProbe && Math.random() * 100 < Number(errors);
  response.writeHead(hasFailed ? 500 : 200, { 'content-type': 'text/plain' });
  response.end(hasFailed ? `${name} has failed\n` : `hello from ${name}\n`);
});
// Longer than the proxy keeps a connection, so that none ends just when it is used again.
server.keepAliveTimeout = 300_000;
server.listen(Number(port), address, () => process.stdout.write(`${name} listens on ${address}:${port}\n`));

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit());
