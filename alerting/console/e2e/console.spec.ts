// The pages against made-up data: keyboard, live updates, layout, errors, accessibility. Fast, and with no service.
import { expect, test as base, type Page } from '@playwright/test';
import { expectAccessible, expectReflow, THEMES, watchForTrouble, type Theme } from './support/checks';
import { incident, RESPONDER_TOKEN } from './support/fixtures';
import { FixtureServer } from './support/server';

/** Every test has its own service, and fails on a script error, a refused resource or a request to elsewhere. */
const test = base.extend<{ server: FixtureServer; url: string }>({
  server: async ({}, use) => {
    const server = new FixtureServer();
    await use(server);
    await server.stop();
  },
  url: async ({ server, page }, use) => {
    const trouble = watchForTrouble(page);
    await use(await server.start());
    expect(trouble).toEqual([]);
  },
});

const rows = (page: Page) => page.locator('table.incidents tbody tr');
const link = (page: Page, id: string) => page.locator(`[data-incident="${id}"]`);

async function openList(page: Page, url: string, search = ''): Promise<void> {
  await page.goto(`${url}/${search}`);
  await expect(rows(page).first()).toBeVisible();
}

test.describe('the list', () => {
  test('starts at the skip link and is triaged by keyboard alone', async ({ page, server, url }) => {
    await openList(page, url);
    await page.keyboard.press('Tab');
    await expect(page.getByRole('link', { name: 'Hopp til hovedinnholdet' })).toBeFocused();

    await page.keyboard.press('j');
    await expect(link(page, 'inc-0')).toBeFocused();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await expect(link(page, 'inc-1')).toBeFocused();

    await page.keyboard.press('a');
    await expect(rows(page).nth(1)).toContainText('Kvittert');
    await expect(link(page, 'inc-1')).toBeFocused();
    await expect(
      page.getByText('Kvittert: Noen har prøvd mange passord mot en av maskinene deres.'),
    ).toBeAttached();
    expect(server.posts).toEqual([{ path: '/incidents/inc-1/acknowledge', body: {} }]);

    // What is taken care of is not acknowledged twice.
    await page.keyboard.press('a');
    await expect(page.getByText('Allerede kvittert:')).toBeAttached();
    expect(server.posts).toHaveLength(1);

    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(`${url}/incidents/inc-1`);
    await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
    await page.keyboard.press('u');
    await expect(link(page, 'inc-1')).toBeFocused();
  });

  test('explains its keys, and can do without them', async ({ page, server, url }) => {
    await openList(page, url);
    await page.keyboard.press('?');
    const dialog = page.getByRole('dialog', { name: 'Tastatursnarveier' });
    await expect(dialog).toBeVisible();
    await expectAccessible(page, 'keys');
    await dialog.getByRole('switch').press('Space');
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();

    await link(page, 'inc-0').focus();
    await page.keyboard.press('a');
    await page.keyboard.press('j');
    await expect(link(page, 'inc-0')).toBeFocused();
    expect(server.posts).toEqual([]);
  });

  test('keeps still while the world changes, until asked', async ({ page, server, url }) => {
    await openList(page, url);
    await expect(page.getByText('Direkte')).toBeVisible();
    await link(page, 'inc-2').focus();
    const before = await link(page, 'inc-2').boundingBox();

    for (const index of [-1, -2, -3]) server.push(incident(index));
    const bar = page.getByRole('button', { name: '3 nye eller oppdaterte – vis' });
    await expect(bar).toBeVisible();
    server.push({ ...incident(2), version: 2, state: 'closed' });
    await expect(rows(page).nth(2)).toContainText('Lukket');
    expect(await link(page, 'inc-2').boundingBox()).toEqual(before);
    await expect(link(page, 'inc-2')).toBeFocused();

    await page.keyboard.press('n');
    await expect(bar).toBeHidden();
    await expect(link(page, 'inc-new3')).toBeFocused();
    await expect(rows(page).first()).toContainText('Ny');
    await expect(page.getByText('Viser 53 av 123')).toBeVisible();
  });

  test('is narrowed through an address that can be shared', async ({ page, url }) => {
    await openList(page, url);
    await page.getByLabel('Alvorlighet').selectOption('critical');
    await page.getByLabel('Kommune').selectOption({ label: 'Bergen kommune' });
    await page.keyboard.press('/');
    await page.keyboard.type('198.51');
    await expect(page).toHaveURL(`${url}/?severity=critical&organization=964338531&q=198.51`);
    await expect(page.getByText('Viser 6 av 6')).toBeVisible();
    await page.goto(`${url}/?q=inc`);
    await expect(page.getByText('Viser 50 av minst 100')).toBeVisible();
    await page.goBack();
    await expect(page.getByText('Viser 6 av 6')).toBeVisible();
    await page.getByRole('searchbox').focus();
    await page.keyboard.press('End');
    // Typing letters in the field is typing, not a shortcut.
    await page.keyboard.type('jan');
    await expect(page.getByRole('searchbox')).toHaveValue('198.51jan');
    await expect(page.getByRole('heading', { name: 'Ingen hendelser passer' })).toBeVisible();
    await page.getByRole('button', { name: 'Nullstill' }).click();
    await expect(page).toHaveURL(`${url}/`);

    await openList(page, url, '?severity=low&state=closed');
    await expect(page.getByLabel('Alvorlighet')).toHaveValue('low');
    for (const row of await rows(page).all()) await expect(row).toContainText('Lukket');
  });

  test('comes a page at a time and keeps its place for the one who returns', async ({ page, url }) => {
    await openList(page, url, '?state=new');
    await page.goto(`${url}/`);
    await expect(rows(page)).toHaveCount(50);
    await page.getByRole('button', { name: 'Vis flere' }).click();
    await expect(rows(page)).toHaveCount(100);
    await link(page, 'inc-80').click();
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    // By the browser's own button, and once more after going forward.
    for (let turn = 0; turn < 2; turn += 1) {
      await page.goBack();
      await expect(rows(page)).toHaveCount(100);
      await expect(link(page, 'inc-80')).toBeFocused();
      await expect(link(page, 'inc-80')).toBeInViewport();
      if (turn === 0) await page.goForward();
      if (turn === 0) await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
    }
  });

  test('says what is wrong, and mends itself', async ({ page, server, url }) => {
    server.failWith = 0;
    await page.goto(`${url}/`);
    await expect(page.getByRole('heading', { name: 'Vi får ikke kontakt med Varde' })).toBeVisible();
    await expectAccessible(page, 'offline');
    server.failWith = 503;
    await page.getByRole('button', { name: 'Prøv igjen' }).click();
    await expect(page.getByText('The fixture was told to fail')).toBeVisible();
    server.failWith = null;
    await page.getByRole('button', { name: 'Prøv igjen' }).click();
    await expect(rows(page)).toHaveCount(50);
    // The stream comes back by itself, too.
    await expect(page.getByText('Direkte')).toBeVisible();
  });

  test('fills by itself when it was empty', async ({ page, server, url }) => {
    server.details.length = 0;
    await page.goto(`${url}/`);
    await expect(page.getByRole('heading', { name: 'Ingen hendelser ennå' })).toBeVisible();
    await expect(page.getByText('Direkte')).toBeVisible();
    await expectAccessible(page, 'empty');
    server.push(incident(0));
    await expect(rows(page)).toHaveCount(1);
  });
});

test.describe('an incident', () => {
  test('marks what matched, in the event', async ({ page, url }) => {
    await page.goto(`${url}/incidents/inc-2`);
    const event = page.locator('#event-1');
    await expect(event.locator('mark')).toHaveText(['22', 'c2.example']);
    await expect(event.getByRole('row', { name: 'dns.question.name' })).toContainText('abc.c2.example');
    await expect(page.getByText('javascript:alert(1)')).toBeVisible();
    await expect(page.locator('a[href^="javascript"]')).toHaveCount(0);
    await expect(page.getByText('Ikke levert')).toBeVisible();
  });

  test('shows Norwegian time to a browser in New York', async ({ page, url }) => {
    await page.goto(`${url}/incidents/inc-0`);
    const facts = page.locator('section', { has: page.getByRole('heading', { name: 'Nøkkeltall' }) });
    await expect(facts).toContainText('22. november 2026 kl. 07:00:00');
    await expect(facts).toContainText('2026-11-22 06:00:00 UTC');
  });

  test('is acknowledged and judged by keyboard, with a note', async ({ page, server, url }) => {
    await page.goto(`${url}/incidents/inc-0`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await page.keyboard.press('a');
    await expect(page.locator('.done')).toHaveText('Kvittert. De andre ser at noen følger opp.');
    await page.keyboard.press('v');
    await page.keyboard.press('Space');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.type('Vår egen skanner.');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect(page.getByText('Vurderingen er lagret: Falsk alarm.').first()).toBeVisible();
    expect(server.posts).toEqual([
      { path: '/incidents/inc-0/acknowledge', body: {} },
      { path: '/incidents/inc-0/verdict', body: { verdict: 'false_positive', note: 'Vår egen skanner.' } },
    ]);
    await expect(page.getByLabel('Merknad')).toHaveValue('');
  });

  test('keeps the focus when the button just pressed goes away', async ({ page, url }) => {
    await page.goto(`${url}/incidents/inc-0`);
    await page.getByRole('button', { name: 'Kvitter', exact: true }).press('Enter');
    await expect(page.locator('.done')).toBeFocused();
  });

  test('loses no note when the service is away', async ({ page, server, url }) => {
    await page.goto(`${url}/incidents/inc-0`);
    await page.getByLabel('Reell').check();
    await page.getByLabel('Merknad').fill('Sett på to maskiner');
    server.failWith = 0;
    await page.getByRole('button', { name: 'Lagre vurderingen' }).click();
    await expect(page.getByRole('alert')).toContainText('Det ble ikke lagret. Vi får ikke kontakt');
    server.failWith = null;
    await page.reload();
    await expect(page.getByLabel('Merknad')).toHaveValue('Sett på to maskiner');
  });

  test('says so when the service did not store the note', async ({ page, server, url }) => {
    server.details[0] = { ...server.details[0]!, verdict: 'true_positive' };
    await page.goto(`${url}/incidents/inc-0`);
    await expect(page.getByLabel('Reell')).toBeChecked();
    await page.getByLabel('Merknad').fill('Sett på to maskiner');
    await page.getByRole('button', { name: 'Lagre vurderingen' }).click();
    await expect(page.getByRole('alert')).toContainText('merknaden ble ikke lagret');
    await expect(page.getByLabel('Merknad')).toHaveValue('Sett på to maskiner');
  });

  test('changes under the eye of a second analyst', async ({ page, server, url }) => {
    await page.goto(`${url}/incidents/inc-0`);
    await expect(page.getByRole('button', { name: 'Kvitter', exact: true })).toBeVisible();
    const other = { ...server.details[0]!, state: 'acknowledged' as const, version: 2 };
    server.details[0] = other;
    // Until the stream stands there is nobody to tell: the service would resend, the fixture is told again.
    await expect(async () => {
      server.push(other);
      await expect(page.locator('.detail-line')).toContainText('Kvittert', { timeout: 500 });
    }).toPass();
  });

  test('that is gone is said to be gone', async ({ page, url }) => {
    await page.goto(`${url}/incidents/none`);
    await expect(page.getByRole('heading', { level: 1, name: 'Vi fant ikke hendelsen' })).toBeVisible();
    await expectAccessible(page, 'not found');
    await page.goto(`${url}/sensors`);
    await expect(page.getByRole('heading', { level: 1, name: 'Siden finnes ikke' })).toBeVisible();
    await expectAccessible(page, 'no such page');
  });
});

test.describe("the responder's page", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test('tells, takes an answer, and leads nowhere else', async ({ page, server, url }) => {
    await page.goto(`${url}/r/${RESPONDER_TOKEN}`);
    await expect(page.getByRole('heading', { level: 1, name: 'Varsel til Bergen kommune' })).toBeVisible();
    await expect(page.getByText(/^Åpnet \d+\. \w+ \d+ kl\./)).toBeVisible();
    expect(server.posts).toEqual([{ path: '/responder/fixture-token/seen', body: {} }]);
    expect(await page.locator('a').evaluateAll((links) => links.map((a) => a.getAttribute('href')))).toEqual([
      '#main',
      'tel:+4700000000',
      'mailto:vakt@cert.example',
    ]);

    await page.getByLabel('Vil du legge til noe?').fill('Jeg ser på det nå');
    await page.getByRole('button', { name: 'Jeg har sett det og tar det' }).click();
    await expect(page.getByText('Takk! Vi har registrert at dere tar det.')).toBeFocused();
    await expect(page.getByText(/^Dere tok saken/)).toBeVisible();
    await page.getByRole('button', { name: 'Vi trenger hjelp' }).click();
    await expect(page.getByText('Haster det, så ring.')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Vi trenger hjelp' })).toHaveAttribute(
      'aria-pressed',
      'true',
    );
    expect(server.posts.slice(1)).toEqual([
      { path: '/responder/fixture-token/acknowledge', body: { note: 'Jeg ser på det nå' } },
      { path: '/responder/fixture-token/verdict', body: { verdict: 'need_help' } },
    ]);
    await expectAccessible(page, 'responder, answered');
    await expectReflow(page);
  });

  test('keeps what was written when it was not stored', async ({ page, url }) => {
    await page.goto(`${url}/r/${RESPONDER_TOKEN}`);
    await page.getByLabel('Vil du legge til noe?').fill('Vår skanner');
    await page.getByRole('button', { name: 'Nei, falsk alarm' }).click();
    await expect(page.getByText('Takk! Vi har registrert svaret')).toBeFocused();
    await expect(page.getByLabel('Vil du legge til noe?')).toHaveValue('');
    await page.getByLabel('Vil du legge til noe?').fill('Vi har sjekket');
    await page.getByRole('button', { name: 'Nei, falsk alarm' }).click();
    await expect(page.getByRole('alert')).toContainText('ble ikke lagret');
    await expect(page.getByLabel('Vil du legge til noe?')).toHaveValue('Vi har sjekket');
  });

  test("speaks the responder's language until told otherwise", async ({ page, server, url }) => {
    server.responder = { ...server.responder, language: 'nn' };
    await page.goto(`${url}/r/${RESPONDER_TOKEN}`);
    await expect(page.getByRole('heading', { name: 'Kva har hendt?' })).toBeVisible();
    await expect(page.locator('html')).toHaveAttribute('lang', 'nn');
    await page.getByLabel('Språk', { exact: true }).selectOption('en');
    await expect(page.getByRole('heading', { name: 'What has happened?' })).toBeVisible();
    await page.reload();
    await expect(page.getByRole('heading', { name: 'What has happened?' })).toBeVisible();
    await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  });

  test('is kind about a link that no longer works', async ({ page, url }) => {
    await page.goto(`${url}/r/expired`);
    await expect(page.getByRole('heading', { level: 1, name: 'Lenken virker ikke lenger' })).toBeVisible();
    await expectAccessible(page, 'expired');
    await page.goto(`${url}/r/unknown`);
    await expect(page.getByRole('heading', { level: 1, name: 'Vi kjenner ikke igjen lenken' })).toBeVisible();
  });
});

/** Colours and layout don't depend on the language: each page is read in both themes at both widths in one language,
 * and once in the other two. */
const READ: readonly (readonly [language: string, at: Readonly<Record<number, readonly Theme[]>>])[] = [
  ['nb', { 1440: THEMES, 320: THEMES }],
  ['nn', { 320: ['light'] }],
  ['en', { 1440: ['dark'] }],
];

for (const [language, at] of READ) {
  test(`every page in ${language} is accessible, and fits in 320 px`, async ({ page, server, url }) => {
    server.details.length = 12; // All severities, states and verdicts; axe reads every row.
    await page.addInitScript((chosen) => {
      localStorage.setItem('varde.language', chosen);
    }, language);
    for (const [name, path, ready] of [
      ['list', '/', 'table.incidents'],
      ['detail', '/incidents/inc-3', '#timeline'],
      ['responder', `/r/${RESPONDER_TOKEN}`, '#answer'],
    ] as const) {
      for (const width of [1440, 320]) {
        await page.setViewportSize({ width, height: 800 });
        await page.goto(url + path);
        await page.locator(ready).waitFor();
        await expectAccessible(page, `${name} at ${width} px in ${language}`, at[width] ?? []);
        await expectReflow(page);
      }
    }
  });
}

test('the theme chosen here wins over the device, and is remembered', async ({ page, url }) => {
  await openList(page, url);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByLabel('Utseende', { exact: true }).selectOption('dark');
  expect(await background()).not.toBe(light);
  await page.reload();
  await expect(page.getByLabel('Utseende', { exact: true })).toHaveValue('dark');
});
