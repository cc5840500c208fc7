import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { thirdParty } from './licences.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const pages = here('./src/pages');
const ui = here('../crates/server/ui');

// Where `npm run dev` finds the API: the mock by default, or a running headwater.
const api = process.env.HEADWATER_URL ?? 'http://127.0.0.1:8787';

export default defineConfig({
  root: pages,
  // A page is one HTML file in src/pages; nothing else lists them.
  build: {
    outDir: `${ui}/dist`,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    // The polyfill is an inline script in disguise; every browser of this target has modulepreload.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: readdirSync(pages).filter((f) => f.endsWith('.html')).map((f) => `${pages}/${f}`),
    },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [thirdParty(`${ui}/THIRD_PARTY.md`)],
  server: {
    port: 5173,
    fs: { allow: [here('.')] },
    proxy: {
      '^/api/(?!ws$)': api,
      '/health': api,
      '/openapi.json': api,
      '^/docs/.*\\.md$': api,
      '/tutor/api': api,
      '^/(ws/chat|ws/ai/stream|ws/orchestrate/.*|api/ws)(\\?|$)': { target: api, ws: true },
    },
  },
  test: { root: here('.'), include: ['src/**/*.test.ts'], environment: 'node' },
});
