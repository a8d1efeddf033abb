/** The DaemonSet of the proxy: the API server admits its pod, and a process with just its rights binds the low ports. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

interface Container {
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] };
  };
}

interface PodSpec {
  readonly hostNetwork: boolean;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly containers: readonly Container[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const component = path.join(root, 'manifests', 'components', 'daemonset');
const overlay = path.join(root, 'manifests', 'overlays', 'daemonset');
const { spec } = parse(readFileSync(path.join(component, 'daemonset.yaml'), 'utf8')) as {
  readonly spec: { readonly template: { readonly spec: PodSpec } };
};
const pod = spec.template.spec;

describe('on a cluster with a node', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster?.stop());

  test('the pod is made in its namespace, on the network of the node', async () => {
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(node) });
    // There is no kubelet that would say so.
    await cluster.kubectl(['taint', 'node', 'node-1', 'node.kubernetes.io/not-ready:NoSchedule-']);
    const applied = await cluster.tryKubectl(['apply', '--server-side', '-k', overlay]);
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    const selector = '--selector=app.kubernetes.io/name=sluice-proxy';
    const args = ['-n', 'sluice-system', 'get', 'pods', selector, '--output=jsonpath={.items[*].spec.hostNetwork}'];
    expect(await eventually(async () => (await cluster.kubectl(args)) || undefined, { timeoutMs: 60_000 })).toBe(
      'true',
    );
  });
});

/** In a user namespace of one user there is no other to become. */
const hasUsers = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).at(-1) !== '1';

describe.runIf(process.getuid?.() === 0 && hasUsers)('with the rights of its container', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(path.join(os.tmpdir(), 'sluice-daemonset-'));
    await chmod(scratch, 0o755);
    for (const name of ['plain', 'with-capability']) {
      await copyFile(process.execPath, path.join(scratch, name));
      await chmod(path.join(scratch, name), 0o755);
    }
    // The line of the Dockerfile.
    const [, capability = ''] = /setcap (\S+) /.exec(readFileSync(path.join(root, 'Dockerfile'), 'utf8')) ?? [];
    const { status, error, stderr } = spawnSync('setcap', [capability, path.join(scratch, 'with-capability')]);
    if (status !== 0)
      throw new Error(`setcap of the Debian package libcap2-bin: ${error?.message ?? stderr.toString()}`);
  }, 60_000);
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  /** As the container runtime: user, bounding set and no_new_privs, then the program itself. */
  function asContainer(node: string, script: string): Promise<string> {
    const [container] = pod.containers;
    const { capabilities, allowPrivilegeEscalation } = container?.securityContext ?? {};
    const added = capabilities?.add.map((name) => `+${name.toLowerCase()}`) ?? [];
    const dropped = capabilities?.drop.map((name) => `-${name.toLowerCase()}`) ?? [];
    const { runAsUser, runAsGroup } = pod.securityContext;
    const user = [`--reuid=${runAsUser}`, `--regid=${runAsGroup}`, '--clear-groups'];
    const rights = [
      `--bounding-set=${[...dropped, ...added].join(',')}`,
      ...(allowPrivilegeEscalation ? [] : ['--no-new-privs']),
    ];
    const child = spawn('setpriv', [...user, ...rights, path.join(scratch, node), '--eval', script], { env: {} });
    return new Promise((resolve, reject) => {
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data: Buffer) => (output += data.toString()));
      child.once('error', reject);
      child.once('close', () => resolve(output.trim()));
    });
  }

  const bind = `
    const { createServer } = require('node:net');
    for (const port of [80, 443]) {
      const server = createServer().once('error', (error) => console.log(error.code));
      server.listen(port, '10.77.0.9', () => console.log(process.getuid() + ' has ' + port) ?? server.close());
    }`;

  test('the Node of the image binds 80 and 443', async () => {
    const lines = (await asContainer('with-capability', bind)).split('\n');
    expect(lines.toSorted()).toEqual(['65532 has 443', '65532 has 80']);
  });

  test('another Node may not, which is why there is an image for it', async () => {
    expect(await asContainer('plain', bind)).toBe('EACCES\nEACCES');
  });

  test('a process that it starts may too, as the primary of the proxy starts its workers', async () => {
    const again = `['--eval', ${JSON.stringify(bind)}], { stdio: 'inherit' }`;
    const script = `require('node:child_process').spawnSync(process.execPath, ${again})`;
    const lines = (await asContainer('with-capability', script)).split('\n');
    expect(lines.toSorted()).toEqual(['65532 has 443', '65532 has 80']);
  });
});
