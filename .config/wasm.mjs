// Compiles src/wasm/assembly to the bytes in src/wasm/code.ts. `--check` only compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const folder = 'src/wasm/assembly';
const target = 'src/wasm/code.ts';
/** Those at the top are kernels; those below are parts of them. */
const sources = readdirSync(folder, { recursive: true })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'));
const flags =
  '-O3 --noAssert --runtime stub --importMemory --memoryBase 0 --enable simd --disable mutable-globals';

async function compile(name) {
  let code = null;
  const { error, stderr } = await asc.main([`${name}.ts`, '-o', 'out.wasm', ...flags.split(' ')], {
    readFile: (file) => (sources.includes(file) ? readFileSync(`${folder}/${file}`, 'utf8') : null),
    writeFile: (_, bytes) => {
      code = Buffer.from(bytes);
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${name}: ${error.message}\n${stderr}`);
  return code.toString('base64');
}

/** Lines of a string literal that biome leaves as they are. */
function literal(base64) {
  const lines = base64.match(/.{1,88}/g).map((line) => `    '${line}'`);
  return lines.join(' +\n');
}

const names = sources
  .filter((file) => !file.includes('/'))
  .map((file) => file.slice(0, -3))
  .sort();
let text = `/** WebAssembly in base64. Generated from src/wasm/assembly: npm run build:wasm */\n\nexport const code = {\n`;
for (const name of names) text += `  ${name}:\n${literal(await compile(name))},\n`;
text += '};\n';

if (process.argv.includes('--check')) {
  const same = readFileSync(target, 'utf8') === text;
  if (!same) console.error(`${target} is not what ${folder} compiles to: npm run build:wasm`);
  process.exit(same ? 0 : 1);
}
writeFileSync(target, text);
