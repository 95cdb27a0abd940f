/** `calicoctl ipam show`: how full pools and blocks are, and whose an address is. */
import type { BlockFacts, Inventory } from '../plan/plan.ts';
import {
  contains,
  formatIp4,
  formatPrefix,
  type Ip4,
  type Prefix,
  tryIp4,
} from '../wire/address.ts';
import { printBox } from './calicoctl-table.ts';
import { refuse } from './words.ts';

/** `argv` after `show`: nothing, `--show-blocks`, `--show-borrowed` or `--ip=ADDRESS`. */
export function printIpam(inventory: Inventory, argv: readonly string[]): string {
  const [word, more] = argv;
  if (more !== undefined && word !== '--ip') refuse('calicoctl ipam show', 'no more words', more);
  if (word === undefined) return usage(inventory, false);
  if (word === '--show-blocks') return usage(inventory, true);
  if (word === '--show-borrowed') return borrowed(inventory);
  if (word === '--show-configuration') return configuration(inventory);
  if (word === '--ip' || word.startsWith('--ip=')) {
    const text = word === '--ip' ? more : word.slice('--ip='.length);
    const address = tryIp4(text ?? '');
    if (address === undefined) return refuse('calicoctl ipam show', 'an IPv4 address', text);
    return owner(inventory, address);
  }
  return refuse('calicoctl ipam show', CHOICES, word);
}

const CHOICES = '--show-blocks, --show-borrowed, --show-configuration or --ip=ADDRESS';

/** The fields of libcalico-go's IPAMConfig in their order. */
function configuration({ ipam }: Inventory): string {
  const { strictAffinity = false, autoAllocateBlocks = true, maxBlocksPerHost = 0 } = ipam ?? {};
  return printBox(
    ['Property', 'Value'],
    [
      ['StrictAffinity', String(strictAffinity)],
      ['AutoAllocateBlocks', String(autoAllocateBlocks)],
      ['MaxBlocksPerHost', String(maxBlocksPerHost)],
    ],
  );
}

const HEADINGS = ['Grouping', 'CIDR', 'IPs total', 'IPs in use', 'IPs free'];

function usage({ pools, blocks }: Inventory, showBlocks: boolean): string {
  const ordered = blocksInOrder(blocks);
  const inside = (cidr: Prefix): BlockFacts[] =>
    ordered.filter((b) => b.cidr.length >= cidr.length && contains(cidr, b.cidr.address));
  const blockRows = (list: readonly BlockFacts[]): string[][] =>
    showBlocks ? list.map((b) => row('Block', b.cidr, b.allocations.length)) : [];
  const orphans = ordered.filter((b) => !pools.some(({ cidr }) => inside(cidr).includes(b)));
  const byName = [...pools].sort((a, b) => (a.name < b.name ? -1 : 1));
  return printBox(HEADINGS, [
    ...byName.flatMap(({ cidr }) => {
      const own = inside(cidr);
      const inUse = own.reduce((sum, b) => sum + b.allocations.length, 0);
      return [row('IP Pool', cidr, inUse), ...blockRows(own)];
    }),
    ...blockRows(orphans),
  ]);
}

export const blocksInOrder = (blocks: readonly BlockFacts[]): BlockFacts[] =>
  [...blocks].sort((a, b) => (resourceName(a) < resourceName(b) ? -1 : 1));

/** Blocks are listed by the names of their resources: `10-2-36-64-26`. */
const resourceName = ({ cidr }: BlockFacts): string => formatPrefix(cidr).replace(/[./]/g, '-');

function row(grouping: string, cidr: Prefix, inUse: number): string[] {
  const total = 2 ** (32 - cidr.length);
  const share = (n: number): string => `${fiveDigits(n)} (${roundHalfEven((100 * n) / total)}%)`;
  return [grouping, formatPrefix(cidr), fiveDigits(total), share(inUse), share(total - inUse)];
}

/** C's and Go's `%.5g`: 262144 is 2.6214e+05. */
function fiveDigits(value: number): string {
  if (value < 100_000) return String(value);
  const [digits, exponent = ''] = Number(value.toPrecision(5)).toExponential().split('e+');
  return `${digits}e+${exponent.padStart(2, '0')}`;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Addresses used on another node than the block's own. */
function borrowed({ blocks }: Inventory): string {
  const rows = blocks.flatMap(({ cidr, node = '', allocations }) =>
    allocations
      .filter((a) => a.node !== node)
      .map((a) => {
        const pod = a.use.includes('/');
        const to = pod ? ['pod', a.use] : [a.use, ''];
        return [formatIp4(a.address), a.node, formatPrefix(cidr), node, ...to];
      }),
  );
  const headings = ['IP', 'Borrowing-Node', 'Block', 'Block Owner', 'Type', 'Allocated-To'];
  return printBox(headings, rows);
}

function owner({ blocks }: Inventory, address: Ip4): string {
  const text = formatIp4(address);
  const allocation = blocks
    .find(({ cidr }) => contains(cidr, address))
    ?.allocations.find((a) => a.address === address);
  if (allocation === undefined) return `${text} is not assigned\n`;
  const { node, use } = allocation;
  const slash = use.indexOf('/');
  const attributes =
    slash < 0
      ? [`node: ${node}`, `type: ${use}`]
      : [`namespace: ${use.slice(0, slash)}`, `node: ${node}`, `pod: ${use.slice(slash + 1)}`];
  return `IP ${text} is in use\nAttributes:\n${attributes.map((a) => `  ${a}\n`).join('')}`;
}
