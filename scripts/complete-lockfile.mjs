// Adds to package-lock.json every optional platform package that its parents name and the registry here does not serve,
// so that `npm ci` (npm >= 11.6) accepts the file on every machine. See npm/cli#9846.
import fs from 'node:fs';

const lock = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
const packages = lock.packages;
const platform = /(android|darwin|freebsd|linux|openharmony|win32)-(arm-\w+|arm64|x64|ia32|ppc64|riscv64|s390x)/;
let added = 0;
for (const [parent, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (packages[path] || packages[`${parent}/${path}`]) continue;
    const [, os = 'none', cpu = 'none'] = platform.exec(name) ?? [];
    packages[path] = { version, optional: true, dev: true, os: [os], cpu: [cpu.split('-')[0]] };
    if (name.includes('musl')) packages[path].libc = ['musl'];
    if (name.includes('gnu')) packages[path].libc = ['glibc'];
    added += 1;
  }
}
fs.writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
