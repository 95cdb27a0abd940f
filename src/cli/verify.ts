/** `podwire verify`: a recorded network, rebuilt from its tables and compared frame by frame. */
import type { Command } from 'commander';
import {
  agrees,
  comparedFrames,
  formatVerify,
  openLab,
  verifyReport,
  verifyWithChanges,
} from '../index.ts';
import { integer } from './options.ts';
import { print, printJson, tell } from './terminal.ts';

interface Flags {
  readonly json?: boolean;
  readonly seed?: number;
}

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('rebuild a recorded network, send what was sent there, compare every capture')
    .argument('<dir>', 'a folder of dumps and captures: NODE/ip-route.txt, NODE.DEVICE.pcap')
    .option('--seed <number>', 'for the bytes a kernel draws at random', integer(0, 2 ** 31))
    .option('--json', 'the report as JSON, with every difference')
    .addHelpText('after', NOTES)
    .action((folder: string, flags: Flags) => {
      const lab = openLab(folder);
      const options = flags.seed === undefined ? {} : { seed: flags.seed };
      const report = verifyReport(verifyWithChanges(lab, options), lab);
      if (flags.json === true) printJson(report);
      else print(formatVerify(report));
      if (comparedFrames(report) === 0) {
        tell(NOTHING);
        process.exitCode = 2;
      } else if (!agrees(report)) process.exitCode = 1;
    });
}

const NOTHING = `podwire: expected frames to compare, found none that were made: all were put in as recorded;
capture also where packets come out, such as the NIC of the node (tcpdump -i eth0 -s 0 -w NODE.eth0.pcap)
`;

const NOTES = `
Frames that left a pod or a host there are sent again; the nodes are rebuilt from what
their ip, bridge, sysctl and iptables-save printed. A frame may differ in the bytes a
kernel draws at random (IP identification, VXLAN source port, the checksums over them):
it then counts as equal outside free bytes. Where tables.after.txt shows other routes,
FDB entries or permanent neighbours, each change is made where it explains most frames.
Where scenario.json says that a phase began or a setting was changed, and frames disagree
from then on, rp_filter, proxy_arp and single entries are tried too. Every change is named.

Without scenario.json the folder is what was brought from a running cluster. On each node:
  ip -d link; ip addr; ip route show table all; ip rule; ip neigh; bridge fdb show;
  iptables-save; ipset save; sysctl -a       into NODE/COMMAND.txt, or all into NODE.txt
  tcpdump -i DEVICE -s 0                     into NODE.DEVICE.pcap; -i any into NODE.any.pcap
Pods that were not captured are heard on their node's tunnels and NICs, other hosts where
their frames arrived. Tables of afterwards may stand in after/.

Exit code 1 if any other frame differs, is missing or is extra; 2 if nothing was compared.

Example:
  podwire verify recordings/lab`;
