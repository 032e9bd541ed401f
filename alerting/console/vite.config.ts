// Builds the console to `dist/`, which the `varde` binary embeds. Not a server of its own: `npm run dev`
// serves the pages and passes `/api` on to a running `varde up` (VARDE_URL, default http://127.0.0.1:8080).
import { defineConfig } from 'vitest/config';

export default defineConfig({
  build: {
    target: 'es2022',
    // Nothing inlined: the content security policy allows fonts and images from our own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { '/api': process.env['VARDE_URL'] ?? 'http://127.0.0.1:8080' } },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
