/** The five documents, parts of them, and clusters written down from what they tell. */
import '../accounts.ts';
import { Cluster } from '../../src/cluster/cluster.ts';
import type { NamespacePlan } from '../../src/plan/plan.ts';
import { runCommand } from '../../src/text/command.ts';
import { linkDevice, parseIpLink } from '../../src/text/link-reader.ts';
import { documentText, namespace, trimLines } from '../text/namespace.ts';

/** Without blanks at line ends, which pasting loses; `undefined` where it is not on the machine. */
export const document = (number: string): string | undefined => {
  const text = documentText(number);
  return text === undefined ? undefined : trimLines(text);
};

/** The part of a document from one text to the next, without either. */
export function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from);
  const end = text.indexOf(to, start + from.length);
  if (start < 0 || end < 0) throw new Error(`the document has no "${from}" … "${to}"`);
  return text.slice(start + from.length, end);
}

/** What a cluster's command prints, without blanks at line ends. */
export const said = (cluster: Cluster, where: string, command: string): string =>
  trimLines(cluster.exec(where, command.split(' ')));

/** The lines of an output that a shell's `egrep` lets through. */
export const grep = (text: string, pattern: RegExp): string =>
  text
    .split('\n')
    .filter((line) => pattern.test(line))
    .map((line) => `${line}\n`)
    .join('');

export const fromYaml = (...documents: string[]): Cluster =>
  Cluster.fromYaml(documents.join('\n---\n'));

export const pool = (name: string, spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}`;

export const node = (name: string, address: string, more = ''): string =>
  `apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: ${name}}\n` +
  `spec: {bgp: {ipv4Address: ${address}}${more}}`;

export const pod = (name: string, on: string, address?: string): string => {
  const [space, bare] = name.includes('/') ? name.split('/') : ['default', name];
  const status = address === undefined ? '' : `\nstatus: {podIP: ${address}}`;
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${bare}, namespace: ${space}}\nspec: {nodeName: ${on}}${status}`;
};

/** Text of `ip addr` or `ip link` read, and printed again by the same command. */
export function reprintLinks(text: string, command: string): string {
  const listed = parseIpLink(text);
  const namespaces = new Map(listed.map(({ name, netns, peer }) => [name, { netns, peer }]));
  const ns: NamespacePlan = namespace({
    devices: listed.map((one) => {
      const device = linkDevice(one);
      if (one.peer?.startsWith('if') !== true) return device;
      return { ...device, peer: { namespace: one.netns ?? 'there', device: one.name } };
    }),
  });
  const peers = ({ device }: { device: string }) => {
    const { netns, peer = '' } = namespaces.get(device)!;
    return { index: Number(peer.slice('if'.length)), netns };
  };
  return trimLines(runCommand(ns, command.split(' '), { peers }));
}
