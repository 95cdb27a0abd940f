/**
 * The lookup tables of 5,000 nodes, which share what all of them have: packets that each ask
 * another node's, in bursts or one by one, beside packets that all ask the same one's. All
 * answers are first compared with those of a search through the planned routes.
 */
import { Cluster, NodeFibs, planCluster } from '../dist/index.js';
import { clusterYaml } from './cluster-yaml.mjs';
import { figure, ratios } from './figures.mjs';
import { randoms } from './randoms.mjs';
import { median, progress, rate, ratioText, shown } from './tool.mjs';

const NODES = 5000;
const QUICK_NODES = 100;
const PODS_PER_NODE = 4;
const LOOKUPS = 2 ** 20;
/** Addresses that are looked up in a call. */
const SLICE = 1024;
const ROUND_MS = 200;
const QUICK_MS = 20;
/** Of those looked up, as many go through the slow search too. */
const CHECKED = 2000;
/** How many packets in a row are at one node. */
const ORDERS = [
  { name: 'all at one node', burst: LOOKUPS },
  { name: 'bursts of 256', burst: 256 },
  { name: 'bursts of 32', burst: 32 },
  { name: 'a random node for each', burst: 1 },
];

/** Some address of a random route of one node: of any pod's block, or of the nodes' network. */
function addressesOf(routes, random) {
  const prefixes = routes.map(({ destination }) => destination).filter(({ length }) => length > 0);
  return Int32Array.from({ length: LOOKUPS }, () => {
    const { address, length } = prefixes[random(prefixes.length)];
    return address | (length === 32 ? 0 : random(2 ** (32 - length)));
  });
}

/** The longest planned route for an address, by looking at all of them. */
function searched(routes, address) {
  const covers = ({ destination: { address: prefix, length } }) =>
    length === 0 || (prefix ^ address) >>> (32 - length) === 0;
  return routes
    .filter(covers)
    .reduce((best, route) => (route.destination.length > best.destination.length ? route : best));
}

/** Throws unless the tables answer as the slow search does. */
function check(fibs, routesOf, places, addresses) {
  for (let i = 0; i < CHECKED; i++) {
    const expected = searched(routesOf[places[i]], addresses[i]);
    const id = fibs.lookup(places[i], addresses[i]);
    const found = id < 0 ? undefined : fibs.route(places[i], id);
    const text = ({ destination, via, device, type }) =>
      JSON.stringify([destination, via, device, type]);
    if (found === undefined || text(found) !== text(expected)) {
      throw new Error(
        `${fibs.names[places[i]]}: expected ${text(expected)}, found ${found && text(found)}`,
      );
    }
  }
}

/** All lookups, in many short calls, as from a program. */
function lookups(fibs, places, addresses) {
  let held = 0;
  const slice = (from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += fibs.lookup(places[i], addresses[i]);
    return sum;
  };
  return () => {
    for (let from = 0; from < LOOKUPS; from += SLICE) held += slice(from, from + SLICE);
    // A sum that nobody reads might never be added up.
    if (Number.isNaN(held)) throw new Error('an answer is no number');
  };
}

export function bench({ rounds, quick }) {
  const nodes = quick ? QUICK_NODES : NODES;
  progress(`node FIBs: planning ${nodes} nodes`);
  const text = [...clusterYaml('vxlan', nodes, nodes * PODS_PER_NODE)].join('');
  const plan = planCluster([{ text, source: 'cluster.yaml' }]);
  const planned = new Map(plan.namespaces.map((namespace) => [namespace.name, namespace]));
  const fibs = new NodeFibs(Cluster.fromPlan(plan), (name) => planned.get(name)?.role === 'node');
  const routesOf = fibs.names.map((name) => planned.get(name).routes);
  const random = randoms(1);
  const addresses = addressesOf(routesOf[0], random);
  const drawn = Int32Array.from({ length: LOOKUPS }, () => random(nodes));
  const contestants = ORDERS.map(({ name, burst }) => {
    const places = drawn.map((_, i) => drawn[i - (i % burst)]);
    check(fibs, routesOf, places, addresses);
    return { name, lookUp: lookups(fibs, places, addresses), rates: [] };
  });
  for (let round = 0; round <= rounds; round++) {
    progress(`node FIBs: round ${round} of ${rounds}`);
    for (const { lookUp, rates } of contestants) {
      const found = rate(lookUp, LOOKUPS, quick ? QUICK_MS : ROUND_MS);
      // The first is V8's.
      if (round > 0) rates.push(found);
    }
  }
  const [one] = contestants;
  const rows = contestants.map(
    ({ name, rates }) => `| ${name} | ${shown(median(rates))} | ${ratioText(rates, one.rates)} |`,
  );
  const figures = contestants.slice(1).map(({ name, rates }) =>
    figure(
      `${nodes.toLocaleString('en')} node FIBs, ${name}, vs all at one node`,
      ratios(rates, one.rates),
      {
        goal: 0.7,
      },
    ),
  );
  const markdown = `## Tables of many nodes

Lookups in the main tables of ${nodes.toLocaleString('en')} nodes of one planned cluster (VXLAN, ${PODS_PER_NODE} pods on each), which share the routes that
all have; per CPU second. The first ${CHECKED.toLocaleString('en')} of each order were compared with a search through the planned routes.

| packets | lookups | ratio |
| --- | --- | --- |
${rows.join('\n')}
`;
  return { markdown, figures };
}
