import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

/**
 * Writes THIRD_PARTY.md from what the bundle really contains, so that the list cannot fall behind the build.
 * A package without a licence text stops the build: we would be shipping it without its terms.
 */
export function thirdParty(path: string): Plugin {
  return {
    name: 'third-party',
    apply: 'build',
    generateBundle(_options, bundle) {
      const roots = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        for (const [id, module] of Object.entries(chunk.modules)) {
          const root = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
          if (root && module.renderedLength > 0) roots.add(root);
        }
      }
      const entries = [...roots].map((root) => {
        const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>;
        const file = readdirSync(root).find((f) => /^licen[cs]e/i.test(f));
        if (!file || !existsSync(join(root, file))) throw new Error(`${name} is bundled but has no licence file`);
        return { name: name!, version: version!, license: license!, text: readFileSync(join(root, file), 'utf8').trim() };
      });
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      const text = entries.map((e) => `## ${e.name} ${e.version} (${e.license})\n\n\`\`\`text\n${e.text}\n\`\`\`\n`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `# Third-party code in the pages\n\nWritten by \`npm run build\` in \`web/\` from what the bundle contains; do not edit.\n\n${text.join('\n')}`);
    },
  };
}
