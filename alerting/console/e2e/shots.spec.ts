// Every page at desktop and phone width, in both themes and all languages: for people to look at.
import { test } from '@playwright/test';
import { screenshot } from './support/checks';
import { RESPONDER_TOKEN } from './support/fixtures';
import { FixtureServer } from './support/server';

const server = new FixtureServer();
let url = '';

test.beforeAll(async () => {
  url = await server.start();
});
test.afterAll(() => server.stop());

const PAGES = [
  ['list', '/', 'table.incidents'],
  ['detail', '/incidents/inc-2', '#timeline'],
  ['responder', `/r/${RESPONDER_TOKEN}`, '#answer'],
] as const;

for (const [name, path, ready] of PAGES) {
  for (const width of [1440, 360]) {
    for (const [theme, language] of [
      ['light', 'nb'],
      ['dark', 'nb'],
      ['light', 'nn'],
      ['dark', 'en'],
    ] as const) {
      test(`${name} at ${width} px, ${theme}, ${language}`, async ({ page }) => {
        await page.addInitScript((chosen) => {
          localStorage.setItem('varde.language', chosen);
        }, language);
        await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
        await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
        await page.goto(url + path);
        await page.locator(ready).waitFor();
        await screenshot(page, `${name}-${width}-${theme}-${language}`, name !== 'list');
      });
    }
  }
}
