// The main job in a real browser, against the real binary: `varde up --demo` fills the list, an analyst opens an
// incident, understands it, acknowledges and judges it by keyboard; a responder answers from the mail's link and
// the analyst sees it happen.
import { expect, test, type Page } from '@playwright/test';
import type { IncidentDetail, IncidentPage, ResponderView } from '../src/api/types';
import { headline, sourceName } from '../src/incident/wording';
import { expectAccessible, expectReflow, screenshot, watchForTrouble } from './support/checks';
import { Varde } from './support/varde';

interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
  link: string;
}

const BINARY = process.env['VARDE_BIN'] ?? '';
if (BINARY === '') {
  if (process.env['CI'] !== undefined) {
    throw new Error('VARDE_BIN is not set: in CI the demo is never skipped');
  }
  console.log(
    'skipped: e2e/demo.spec.ts needs the built binary. Run `cargo build --bin varde` and then ' +
      '`VARDE_BIN=<path to varde> npm run e2e`.',
  );
}

/** The demo promises incidents within a minute of its start. */
const FILLED_WITHIN_MS = 60_000;

test.describe.configure({ mode: 'serial' });
test.skip(BINARY === '', 'VARDE_BIN is not set: see the line above');

let varde: Varde | null = null;
let trouble: string[] = [];

test.beforeAll(async () => {
  varde = await Varde.start(BINARY);
});
test.afterAll(async () => {
  await varde?.stop();
});
test.beforeEach(async ({ page }) => {
  trouble = watchForTrouble(page);
  await page.addInitScript(() => {
    if (localStorage.getItem('varde.language') === null) localStorage.setItem('varde.language', 'nb');
  });
});
test.afterEach(({}, testInfo) => {
  if (testInfo.status !== testInfo.expectedStatus) console.log(`varde said:\n${varde?.said ?? 'nothing'}`);
  expect(trouble).toEqual([]);
});

function running(): Varde {
  if (varde === null) throw new Error('varde is not running');
  return varde;
}

/** The page in both themes at desktop and phone width: kept to look at. */
async function keepPictures(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const width of [1440, 360]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await screenshot(page, `demo-${name}-${width}-${colorScheme}`, name !== 'list');
    }
  }
  if (before !== null) await page.setViewportSize(before);
}

test('the list fills by itself', async ({ page }) => {
  await page.goto(`${running().url}/`);
  await expect(page.locator('[data-incident]').first()).toBeVisible({ timeout: FILLED_WITHIN_MS });
  await expect(page.getByText('Direkte')).toBeVisible();
  await keepPictures(page, 'list');
  await expectAccessible(page, 'list');
  for (const width of [320, 1280, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 });
    await expectReflow(page);
  }
});

test('an incident is opened, understood, acknowledged and judged by keyboard', async ({ page }) => {
  const { incidents } = await running().get<IncidentPage>('/api/v1/incidents?limit=50');
  // An indicator's: it always has a value to mark in its event, where a count over time may have none.
  const open = incidents.find(
    ({ state, source }) => source.kind === 'indicator' && state !== 'acknowledged' && state !== 'closed',
  );
  if (open === undefined) throw new Error('the demo has no open incident by an indicator');

  // Narrowed to what it concerns, so that the row is there whatever else the demo finds meanwhile.
  await page.goto(`${running().url}/?q=${encodeURIComponent(open.entity.value)}`);
  const link = page.locator(`[data-incident="${open.id}"]`);
  await expect(link).toBeVisible();
  for (let press = 0; press < 50 && !(await isFocused(page, open.id)); press += 1)
    await page.keyboard.press('j');
  await expect(link).toBeFocused();
  await page.keyboard.press('Enter');

  await expect(page).toHaveURL(`${running().url}/incidents/${encodeURIComponent(open.id)}`);
  await expect(page.getByRole('heading', { level: 1, name: headline(open, 'nb').text })).toBeFocused();
  await expect(page.getByText(open.summary.nb).first()).toBeVisible();
  await expect(page.locator('#why ~ dl')).toContainText(sourceName(open.source, 'nb'));
  await expect(page.locator('#event-1 mark').first()).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Hvem fikk beskjed?' })).toBeVisible();
  await expect(page.locator('ol.route li').first()).toBeVisible();
  await expect(page.locator('ol.timeline li').first()).toBeVisible();
  await keepPictures(page, 'detail');
  await expectAccessible(page, 'detail');

  await page.keyboard.press('a');
  await expect(page.locator('.done')).toHaveText('Kvittert. De andre ser at noen følger opp.');
  await expect(page.locator('.detail-line')).toContainText('Kvittert');

  await page.keyboard.press('v');
  await page.keyboard.press('Space');
  await expect(page.getByLabel('Reell')).toBeChecked();
  await page.keyboard.press('Tab');
  await page.keyboard.type('Bekreftet sammen med driftsavdelingen.');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Vurderingen er lagret: Reell.').first()).toBeVisible();
  await expect(page.locator('ol.timeline')).toContainText('Bekreftet sammen med driftsavdelingen.');
  await screenshot(page, 'demo-detail-answered');

  const stored = await running().get<IncidentDetail>(`/api/v1/incidents/${encodeURIComponent(open.id)}`);
  expect(stored.verdict).toBe('true_positive');
  expect(stored.timeline.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['acknowledged', 'verdict']),
  );

  // Back among the others, on the same row, which tells what was done.
  await page.getByRole('heading', { level: 1 }).focus();
  await page.keyboard.press('u');
  await expect(link).toBeFocused();
  await expect(page.locator('tr', { has: link })).toContainText('Kvittert');
  await expect(page.locator('tr', { has: link })).toContainText('Reell');
  // The browser's own buttons keep the place as well.
  await page.goForward();
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
  await page.goBack();
  await expect(link).toBeFocused();
});

test('a responder answers from the mail, and the analyst sees it happen', async ({ page, context }) => {
  const { mail, path, token, incident } = await unansweredMail();
  expect(mail.text).toContain(mail.link);

  // Reading the link, as a mail scanner does, is not "seen".
  await fetch(running().url + path);
  expect((await running().get<ResponderView>(`/api/v1/responder/${token}`)).state.seen_at).toBeNull();

  const analyst = await context.newPage();
  await analyst.goto(`${running().url}/incidents/${encodeURIComponent(incident.id)}`);
  await expect(analyst.getByRole('heading', { level: 1, name: headline(incident, 'nb').text })).toBeVisible();

  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(running().url + path);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Varsel til');
  await expect(page.getByText(incident.summary.nb).first()).toBeVisible();
  await expect(page.getByText(/^Åpnet \d/)).toBeVisible();
  await expect(page.locator('a[href^="/"]')).toHaveCount(0);
  await keepPictures(page, 'responder');
  await expectAccessible(page, 'responder');
  await expectReflow(page);

  await page.getByLabel('Vil du legge til noe?').fill('Vi ser på maskinen nå.');
  await page.getByRole('button', { name: 'Jeg har sett det og tar det' }).click();
  await expect(page.getByText('Takk! Vi har registrert at dere tar det.')).toBeVisible();
  await page.getByRole('button', { name: 'Nei, falsk alarm' }).click();
  await expect(page.getByText('Svaret deres: Nei, falsk alarm.')).toBeVisible();
  await screenshot(page, 'demo-responder-answered');

  // No reload: the stream brings it.
  await expect(analyst.locator('ol.timeline')).toContainText('Vi ser på maskinen nå.');
  await expect(analyst.locator('.detail-line')).toContainText('Kvittert');
  await expect(analyst.getByLabel('Falsk alarm')).toBeChecked();
  await screenshot(analyst, 'demo-detail-responder-answered');
});

test('the same in nynorsk and in English', async ({ page }) => {
  const { incidents } = await running().get<IncidentPage>('/api/v1/incidents?limit=1');
  const first = incidents[0];
  if (first === undefined) throw new Error('the demo has no incident');
  await page.goto(`${running().url}/incidents/${encodeURIComponent(first.id)}`);
  for (const [language, why, theme] of [
    ['nn', 'Kvifor varsla vi?', 'light'],
    ['en', 'Why did we warn?', 'dark'],
  ] as const) {
    await page.locator('.settings select').first().selectOption(language);
    await expect(page.getByRole('heading', { name: why })).toBeVisible();
    await expect(page.getByText(first.summary[language]).first()).toBeVisible();
    await expect(page.locator('html')).toHaveAttribute('lang', language);
    await expectAccessible(page, `detail, ${language}`, [theme]);
    await screenshot(page, `demo-detail-${language}`);
  }
});

test('it says no to what it must, and stops cleanly', async ({ request }) => {
  const policy = (await request.get(`${running().url}/`)).headers()['content-security-policy'];
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain('unsafe');
  const { incidents } = await running().get<IncidentPage>('/api/v1/incidents?limit=1');
  const id = encodeURIComponent(incidents[0]?.id ?? '');
  const forged = await request.post(`${running().url}/api/v1/incidents/${id}/acknowledge`, { data: {} });
  expect(forged.status(), 'a POST without our header').toBeGreaterThanOrEqual(400);
  expect((await request.get(`${running().url}/api/v1/responder/no-such-token`)).status()).toBe(404);

  expect(await running().stop(), 'exit code after an interrupt').toBe(0);
});

interface Unanswered {
  mail: Mail;
  path: string;
  token: string;
  incident: ResponderView['incident'];
}

/** A mail about an incident that nobody has taken yet. */
async function unansweredMail(): Promise<Unanswered> {
  let found: Unanswered | undefined;
  await expect(async () => {
    for (const mail of await running().get<Mail[]>('/api/v1/demo/mailbox')) {
      if (mail.link === '') continue;
      const path = new URL(mail.link, running().url).pathname;
      const token = path.split('/').at(-1) ?? '';
      const { incident } = await running().get<ResponderView>(`/api/v1/responder/${token}`);
      if (incident.state !== 'acknowledged' && incident.state !== 'closed')
        found = { mail, path, token, incident };
      if (found !== undefined) break;
    }
    expect(found).toBeDefined();
  }).toPass({ timeout: FILLED_WITHIN_MS });
  if (found === undefined) throw new Error('the demo sent no mail');
  return found;
}

function isFocused(page: Page, id: string): Promise<boolean> {
  return page.evaluate(
    (wanted) => (document.activeElement as HTMLElement | null)?.dataset['incident'] === wanted,
    id,
  );
}
