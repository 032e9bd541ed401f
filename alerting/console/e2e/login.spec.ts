// The login page against a made-up service: by keyboard, in three languages, back to where one came from.
import { expect, test as base } from '@playwright/test';
import { expectAccessible, expectReflow, watchForTrouble } from './support/checks';
import { FixtureServer } from './support/server';

const KARI = { login: 'kari', password: 'et langt nok passord', code: '123456' };

/** As the service names them. */
const REASONS = [
  'provider_away',
  'cancelled',
  'provider_refused',
  'expired',
  'bad_token',
  'low_level',
  'unknown',
  'closed',
  'no_role',
  'busy',
];

const test = base.extend<{ server: FixtureServer; url: string }>({
  server: async ({}, use) => {
    const server = new FixtureServer(20);
    server.login = KARI;
    await use(server);
    await server.stop();
  },
  url: async ({ server, page }, use) => {
    const trouble = watchForTrouble(page);
    await use(await server.start());
    expect(trouble).toEqual([]);
  },
});

test('sends to the login page and back, by keyboard alone', async ({ page, url }) => {
  await page.goto(`${url}/incidents/inc-3?x=1`);
  await expect(page).toHaveURL(`${url}/login?back=${encodeURIComponent('/incidents/inc-3?x=1')}`);
  await expect(page.getByLabel('Brukernavn')).toBeFocused();
  await expect(page.getByText('Spør Eksempel-CERT, 22 00 00 00.')).toBeVisible();

  await page.keyboard.type(KARI.login);
  await page.keyboard.press('Tab');
  await page.keyboard.type(KARI.password);
  await page.keyboard.press('Tab');
  await page.keyboard.type('000000');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('Brukernavn, passord eller kode er feil.');
  await expect(page.getByRole('alert')).toBeFocused();
  await expect(page.getByLabel('Kode', { exact: true })).toHaveValue('');

  await page.getByLabel('Kode', { exact: true }).focus();
  await page.keyboard.type(KARI.code);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`${url}/incidents/inc-3?x=1`);
  await expect(page.getByText('Kari Nordmann')).toBeVisible();
});

test('goes back to pages of ours only', async ({ page, server, url }) => {
  for (const back of ['https://evil.example/', '//evil.example/', '/\\evil.example/', '/login?back=/']) {
    server.endSession();
    await page.goto(`${url}/login?back=${encodeURIComponent(back)}`);
    await page.getByLabel('Brukernavn').fill(KARI.login);
    await page.getByLabel('Passord').fill(KARI.password);
    await page.getByLabel('Kode', { exact: true }).fill(KARI.code);
    await page.getByRole('button', { name: 'Logg inn' }).click();
    await expect(page, back).toHaveURL(`${url}/`);
    await expect(page.getByText('Kari Nordmann')).toBeVisible();
  }
});

test('logs out, and notices a session that ends', async ({ page, server, url }) => {
  const logIn = async () => {
    await page.getByLabel('Brukernavn').fill(KARI.login);
    await page.getByLabel('Passord').fill(KARI.password);
    await page.getByLabel('Kode', { exact: true }).fill(KARI.code);
    await page.keyboard.press('Enter');
    await expect(page.locator('table.incidents tbody tr').first()).toBeVisible();
  };
  await page.goto(url);
  await logIn();
  await page.getByRole('button', { name: 'Logg ut' }).click();
  await expect(page).toHaveURL(`${url}/login`);
  await logIn();
  server.endSession();
  await expect(page).toHaveURL(`${url}/login?back=%2F`);
  await logIn();
});

test('is accessible in three languages and narrow', async ({ page, url }) => {
  for (const [language, heading] of [
    ['nb', 'Logg inn'],
    ['nn', 'Logg inn'],
    ['en', 'Log in'],
  ] as const) {
    await page.goto(`${url}/login`);
    await page.getByRole('combobox').first().selectOption(language);
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
    await expectAccessible(page, `login ${language}`);
  }
  await page.setViewportSize({ width: 320, height: 640 });
  await expectReflow(page);
});

test('offers identity providers, says which is away, and why one was not let in', async ({
  page,
  server,
  url,
}) => {
  server.providers = [
    { id: 'ansattporten', name: 'Ansattporten', is_there: true },
    { id: 'entra', name: 'Entra ID', is_there: false },
  ];
  server.refused = { provider: 'Ansattporten', reason: 'unknown', code: 'ABCD-EFGH' };
  await page.goto(`${url}/login?back=${encodeURIComponent('/incidents/inc-3')}`);
  const link = page.getByRole('link', { name: 'Logg inn med Ansattporten' });
  await expect(link).toHaveAttribute(
    'href',
    '/api/v1/login/ansattporten?back=%2Fincidents%2Finc-3&language=nb',
  );
  await expect(page.getByText('Entra ID svarer ikke akkurat nå.')).toBeVisible();
  await expect(page.getByRole('link', { name: /Entra/ })).toHaveCount(0);
  await expect(page.getByRole('alert')).toContainText('ingen har gitt deg tilgang her');
  await expect(page.getByRole('alert')).toContainText('ABCD-EFGH');
  await expect(page.getByLabel('Brukernavn')).toBeVisible();
  for (const reason of REASONS) {
    server.refused = { provider: 'Ansattporten', reason, code: null };
    for (const language of ['nb', 'nn', 'en']) {
      await page.goto(`${url}/login`);
      await page.getByRole('combobox').first().selectOption(language);
      await expect(page.getByRole('alert')).not.toContainText(
        /login\.refused|\{|virker ikke|verkar ikkje|does not work/,
      );
    }
  }
  await expectAccessible(page, 'login by providers');
  await page.setViewportSize({ width: 320, height: 640 });
  await expectReflow(page);
});

test('a responder\u2019s link asks for no login', async ({ page, url }) => {
  await page.goto(`${url}/r/fixture-token`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page).toHaveURL(`${url}/r/fixture-token`);
});
