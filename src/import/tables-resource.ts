/**
 * The kind `Tables`: what the commands of one namespace printed, word for word. An
 * imported cluster is written down as these, so that nothing is lost and a person
 * may correct a line; reading it back imports it again.
 */
import { stringify } from 'yaml';
import { Field } from '../calico/field.ts';
import type { ManifestFile } from '../calico/manifest.ts';
import { parseYaml, type YamlDocument } from '../calico/yaml-document.ts';
import { commandOf, type Format, type Listing } from './command-line.ts';
import { type Import, importSections } from './import-dumps.ts';
import { linksSpec, readLinks } from './links-resource.ts';
import { Notes } from './notes.ts';
import { isNamespaceName } from './prompt.ts';
import { CLUSTER_WIDE, type Section } from './section.ts';

const GROUP = 'podwire/v1';

/** The cluster as YAML: one document per namespace, the cables, and what calicoctl printed. */
export function formatImport({ plan, sections }: Import): string {
  const own = sections.filter(({ format }) => format !== 'yaml');
  const names = [...new Set(own.map(({ node }) => node))];
  const documents: object[] = names.map((name) => ({
    apiVersion: GROUP,
    kind: 'Tables',
    metadata: { name: name === '' ? CLUSTER : name },
    spec: { dumps: own.filter(({ node }) => node === name).map(dumpOf) },
  }));
  documents.push({
    apiVersion: GROUP,
    kind: 'Links',
    metadata: { name: 'links' },
    spec: linksSpec(plan),
  });
  const manifests = sections
    .filter(({ format }) => format === 'yaml')
    .map(({ text }) => (text.endsWith('\n') ? text : `${text}\n`));
  return [
    ...documents.map((document) => stringify(document, { lineWidth: 0, blockQuote: 'literal' })),
    ...manifests,
  ].join('---\n');
}

/** Name of what belongs to no namespace. */
const CLUSTER = 'cluster';

const dumpOf = ({ listing, text }: Section): object => ({
  command: listing.command,
  // A partial listing is no proof of what it lacks.
  ...(listing.whole ? {} : { partial: true }),
  text,
});

/** Does a file hold one of these kinds? A look only; the reading comes after. */
export const holdsTables = (files: readonly ManifestFile[]): boolean =>
  files.some(({ text }) => /^kind: ["']?Tables["']?\s*$/m.test(text) && text.includes(GROUP));

/** The cluster that `formatImport` wrote. Throws PodwireError with file and line. */
export function importTables(files: readonly ManifestFile[]): Import {
  const sections: Section[] = [];
  let links: Field | undefined;
  for (const { text, source } of files) {
    for (const document of parseYaml(text, source)) {
      const root = Field.root(document);
      const own = root.entry('apiVersion').optional((f) => f.text()) === GROUP;
      const kind = root.entry('kind').optional((f) => f.text());
      if (own && kind === 'Tables') sections.push(...readDocument(root.named('Tables'), source));
      else if (own && kind === 'Links') links = root.named('Links').entry('spec');
      else sections.push(manifestOf(text, document));
    }
  }
  const settled = links;
  return importSections(sections, [], new Notes(), (wired) =>
    settled === undefined ? wired : readLinks(settled, wired),
  );
}

/** Any other resource, as it was written, for the reader of manifests. */
function manifestOf(text: string, { root, source, lineOf }: YamlDocument): Section {
  const [start, , end] = root.range ?? [0, 0, text.length];
  return {
    node: '',
    format: 'yaml',
    listing: { format: 'yaml', command: 'calicoctl get -o yaml', whole: true },
    text: text.slice(start, end),
    source,
    firstLine: lineOf(root),
  };
}

function readDocument(root: Field, source: string): Section[] {
  const at = root.entry('metadata').entry('name');
  const expected = "a node's name or namespace/pod";
  const name = at.text(expected);
  if (!isNamespaceName(name)) throw at.refuse(expected);
  return root
    .entry('spec')
    .entry('dumps')
    .items()
    .map((item): Section => {
      const command = item.entry('command');
      const listing = listingOf(command);
      const partial = item.entry('partial').optional((f) => f.boolean()) ?? false;
      const text = item.entry('text');
      const body = text.isText ? text.text() : '';
      return {
        node: CLUSTER_WIDE.has(listing.format) ? '' : name,
        format: listing.format,
        listing: { ...listing, whole: listing.whole && !partial },
        text: body,
        source,
        firstLine: lineAfter(text),
      };
    });
}

/** A literal block's text starts on the line after its sign. */
const lineAfter = ({ where }: Field): number => Number(where.slice(where.lastIndexOf(':') + 1)) + 1;

function listingOf(at: Field): Listing & { readonly format: Format } {
  const text = at.text('a command such as ip route');
  const listing = commandOf(text);
  if (listing === undefined || listing.format === 'other') {
    throw at.refuse('a command such as ip route, ip -d link or bridge fdb show');
  }
  return { ...listing, format: listing.format };
}
