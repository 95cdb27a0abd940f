/** A competitor in a process of its own: it reads commands, a line each, and answers with a number. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Competitor {
  constructor(command, args) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(...parts) {
    this.child.stdin.write(`${parts.join(' ')}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`no answer to ${parts.join(' ')}`);
    return Number(value);
  }

  close() {
    this.child.stdin.end();
  }
}

/** The other end, in JavaScript: `answers` has a function for each command. */
export function serve(answers) {
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [command, ...rest] = line.split(' ');
    process.stdout.write(`${await answers[command](...rest)}\n`);
  });
}
