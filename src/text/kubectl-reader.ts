/**
 * Reads the tables of `kubectl get pods|nodes|services`, with or without `-A` and
 * `-o wide`: who is where. Other tables of kubectl are passed over.
 */
import { type Ip4, tryIp4 } from '../wire/address.ts';
import { type PastedLine, refuseLine, type TextPlace, writtenLines } from './line-reader.ts';

/** Where a pod runs; address and node only with `-o wide`. */
export interface PodRow {
  /** `namespace/pod`; `default` where the listing has no namespaces. */
  readonly name: string;
  readonly address?: Ip4;
  readonly node?: string;
}

export interface KubeNodeRow {
  readonly name: string;
  readonly address: Ip4;
}

/** A service with a ClusterIP. */
export interface ServiceRow {
  readonly name: string;
  readonly clusterIp: Ip4;
}

export interface KubectlTables {
  readonly pods: readonly PodRow[];
  /** Of `-o wide`. */
  readonly nodes: readonly KubeNodeRow[];
  readonly services: readonly ServiceRow[];
}

/** Titles that follow NAME, by table. */
const TITLES =
  /^(NAMESPACE {2,40})?NAME {2,300}(READY|STATUS|TYPE|ENDPOINTS|DATA|DESIRED|ADDRESSTYPE|AGE)\b/;

/** The title line of one of these tables. */
export const isKubectlTitle = (text: string): boolean => TITLES.test(text);

/** Columns stand at least two blanks apart; `3 (2d ago)` and `NOMINATED NODE` have one. */
const cellsOf = ({ text }: PastedLine): string[] => text.trimStart().split(/ {2,}|\t+/);

/** Tables in any order, each under its title line. Throws ERR_CONFIG_VALUE with the line. */
export function parseKubectl(
  text: string,
  place: TextPlace = { source: 'kubectl' },
): KubectlTables {
  const tables = { pods: [] as PodRow[], nodes: [] as KubeNodeRow[], services: [] as ServiceRow[] };
  let titles: readonly string[] = [];
  for (const line of writtenLines(text, place)) {
    if (isKubectlTitle(line.text)) {
      titles = cellsOf(line);
      continue;
    }
    const cells = cellsOf(line);
    if (cells.length > titles.length) {
      refuseLine(line, `${titles.length} cells under a title line`, `${cells.length} cells`);
    }
    const row = new Map(titles.map((title, i) => [title, cells[i] ?? '']));
    const cell = (title: string): string => row.get(title) ?? '';
    const name = `${cell('NAMESPACE') || 'default'}/${cell('NAME')}`;
    if (row.has('READY') && row.has('RESTARTS')) {
      const address = addressIn(line, cell('IP'));
      const node = cell('NODE');
      const known = node === '' || node === '<none>' ? {} : { node };
      tables.pods.push({ name, ...(address === undefined ? {} : { address }), ...known });
    } else if (row.has('INTERNAL-IP')) {
      const address = addressIn(line, cell('INTERNAL-IP'));
      if (address !== undefined) tables.nodes.push({ name: cell('NAME'), address });
    } else if (row.has('CLUSTER-IP')) {
      const clusterIp = addressIn(line, cell('CLUSTER-IP'));
      if (clusterIp !== undefined) tables.services.push({ name, clusterIp });
    }
  }
  return tables;
}

function addressIn(line: PastedLine, cell: string): Ip4 | undefined {
  if (cell === '' || cell === 'None' || cell === '<none>' || cell.includes(':')) return undefined;
  return tryIp4(cell) ?? refuseLine(line, 'an IP address', cell);
}
