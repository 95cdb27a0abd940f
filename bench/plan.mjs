/**
 * `npm run bench:plan [-- NODES PODS [MODE…]]`: from the YAML text of a cluster, as kubectl
 * and calicoctl print it, to a plan, to a living cluster, to one packet. Each mode runs in
 * a process of its own, for its memory to be its own. `--digest` adds a hash of the plan
 * (slow), to see that two versions plan alike; `--yaml` prints the text instead.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { clusterYaml, podName } from './cluster-yaml.mjs';

const MODES = ['ipip', 'bgp', 'vxlan'];

const flags = new Set(process.argv.filter((word) => word.startsWith('--')));
const [nodes = '5000', pods = '100000', ...wanted] = process.argv
  .slice(2)
  .filter((word) => !word.startsWith('--'));
const modes = wanted.length > 0 ? wanted : MODES;
const yaml = (mode) => clusterYaml(mode, Number(nodes), Number(pods));

async function measure(mode) {
  const { Cluster, planCluster } = await import('../dist/index.js');
  const text = [...yaml(mode)].join('');
  const figures = { mode, megabytes: text.length / 1e6 };
  const timed = (name, action) => {
    const cpu = process.cpuUsage();
    const start = process.hrtime.bigint();
    const result = action();
    const { user, system } = process.cpuUsage(cpu);
    figures[name] = [Number(process.hrtime.bigint() - start) / 1e9, (user + system) / 1e6];
    figures[`${name} MiB`] = process.resourceUsage().maxRSS / 1024;
    return result;
  };
  const plan = timed('plan', () => planCluster([{ text, source: 'cluster.yaml' }]));
  if (flags.has('--digest')) figures.digest = digest(plan);
  const cluster = timed('build', () => Cluster.fromPlan(plan));
  const trace = timed('trace', () =>
    cluster.send({ from: podName(0), to: podName(Number(pods) - 1), protocol: 'tcp' }),
  );
  if (trace.outcome !== 'delivered') throw new Error(`${mode}: ${trace.outcome} ${trace.reason}`);
  return figures;
}

/** Of the plan as JSON, part by part: as one text it may be longer than a string can be. */
function digest({ namespaces, ...rest }) {
  const hash = createHash('sha256').update(JSON.stringify(rest));
  for (const namespace of namespaces) hash.update(JSON.stringify(namespace));
  return hash.digest('hex');
}

const seconds = ([wall, cpu]) => `${wall.toFixed(2)} s (${cpu.toFixed(2)})`;
const mebibytes = (value) => `${value.toFixed(0)} MiB`;

if (flags.has('--yaml')) {
  for (const part of yaml(modes[0])) process.stdout.write(part);
} else if (flags.has('--one')) {
  process.stdout.write(JSON.stringify(await measure(modes[0])));
} else {
  const rows = modes.map((mode) => {
    const words = [nodes, pods, mode, '--one', ...(flags.has('--digest') ? ['--digest'] : [])];
    const script = fileURLToPath(import.meta.url);
    const child = spawnSync(process.execPath, [...process.execArgv, script, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) throw new Error(`${mode}: the run failed`);
    const f = JSON.parse(child.stdout);
    const cells = [
      mode,
      `${f.megabytes.toFixed(0)} MB`,
      ...['plan', 'build', 'trace'].flatMap((n) => [seconds(f[n]), mebibytes(f[`${n} MiB`])]),
      ...(f.digest === undefined ? [] : [f.digest.slice(0, 16)]),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  process.stdout.write(`${nodes} nodes, ${pods} pods; wall time (CPU time), peak memory so far

| mode | YAML | plan | | build | | first trace | |${flags.has('--digest') ? ' digest |' : ''}
| --- | --- | --- | --- | --- | --- | --- | --- |${flags.has('--digest') ? ' --- |' : ''}
${rows.join('\n')}
`);
}
