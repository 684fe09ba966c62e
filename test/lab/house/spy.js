/** A service that tries what it must not be able to do, and says what became of it: `?what=PROGRAM OF NODE`. */
const { createServer } = require('node:http');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');

const attempts = {
  read: (path) => fs.readFileSync(path, 'utf8').slice(0, 40),
  list: (path) => fs.readdirSync(path).length,
  write: (path) => fs.writeFileSync(path, 'written'),
  link: (path) => fs.symlinkSync('/etc/shadow', path),
  run: (line) => execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim(),
  id: () => `${process.getuid()}:${process.getgid()}:${process.getgroups().join(',')}`,
  foreign: () => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length,
};

createServer((request, response) => {
  const [, how = '', ...rest] = request.url.split('/');
  const argument = `/${rest.map(decodeURIComponent).join('/')}`;
  if (how === 'health') return response.end('well');
  try {
    response.end(JSON.stringify({ ok: attempts[how](how === 'run' ? argument.slice(1) : argument) ?? null }));
  } catch (error) {
    response.end(JSON.stringify({ refused: error.code ?? error.message.split('\n').slice(0, 2).join(' ') }));
  }
}).listen(Number(process.env.PORT), process.env.HOST);
