// Starts a script or a tool of node_modules/.bin on a Node that can run it: the one of the `node` package if its
// preinstall script ran, else the present one if it is new enough, else one sentence that says what to do.
// Plain old JavaScript, because it runs on whatever Node there is.
'use strict';
var childProcess = require('child_process');
var fs = require('fs');
var path = require('path');

var MINIMUM = [22, 19];
var root = path.join(__dirname, '..');

function runs(node) {
  return fs.existsSync(node) && childProcess.spawnSync(node, ['--version']).status === 0;
}

function isNewEnough(version) {
  var parts = version.replace('v', '').split('.').map(Number);
  return parts[0] > MINIMUM[0] || (parts[0] === MINIMUM[0] && parts[1] >= MINIMUM[1]);
}

function isInstalled(name) {
  return fs.existsSync(path.join(root, 'node_modules', name));
}

var bundled = path.join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

function findNode() {
  if (runs(bundled)) return bundled;
  return isNewEnough(process.version) ? process.execPath : undefined;
}

// Three ordinary ways to have no new Node after `npm ci`: NODE_ENV=production, `ignore-scripts`, and a system such as
// Alpine for which the package has none.
function remedy() {
  if (!isInstalled('node')) return 'run `npm ci --include=dev` to get it, or install a newer Node';
  if (!fs.existsSync(bundled))
    return 'run `npm rebuild node --ignore-scripts=false` to get it, or install a newer Node';
  return 'install a newer Node, because the one in node_modules does not run on this system';
}

var target = process.argv[2];
if (!target) {
  console.error('usage: node scripts/with-node.cjs <script or tool> [arguments]');
  process.exit(2);
}
if (!isInstalled('undici')) {
  console.error('The packages of Sluice are not installed; run `npm ci` first.');
  process.exit(1);
}
var node = findNode();
if (!node) {
  console.error(
    'Sluice needs Node ' + MINIMUM.join('.') + ' or newer and found ' + process.version + '; ' + remedy() + '.',
  );
  process.exit(1);
}
var isTool = !/[./]/.test(target);
var script = isTool ? path.join(root, 'node_modules', '.bin', target) : path.resolve(root, target);
// The bundled Node comes first in PATH, so that tools with a `#!/usr/bin/env node` line run on it too.
var env = Object.assign({}, process.env, { PATH: path.dirname(node) + path.delimiter + process.env.PATH });
var child = childProcess.spawn(isTool ? script : node, (isTool ? [] : [script]).concat(process.argv.slice(3)), {
  cwd: isTool ? root : process.cwd(),
  env: env,
  stdio: 'inherit',
});
var passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'];
passedOn.forEach(function (signal) {
  process.on(signal, function () {
    child.kill(signal);
  });
});
child.on('error', function (error) {
  console.error('Sluice cannot start ' + target + ': ' + error.message + '.');
  process.exit(1);
});
child.on('exit', function (code, signal) {
  if (!signal) process.exit(code);
  // Whoever waits for this process has to see how the other one ended.
  passedOn.forEach(function (name) {
    process.removeAllListeners(name);
  });
  process.kill(process.pid, signal);
});
