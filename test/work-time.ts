/** Milliseconds that the processor works on something, however busy the machine is meanwhile. */
export function workTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
