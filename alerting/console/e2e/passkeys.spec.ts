// Passkeys in a real browser with its own authenticator, against the real service: add, log out, log in, rename, remove.
import { expect, test, type CDPSession, type Page } from '@playwright/test';
import { expectAccessible, expectReflow, watchForTrouble } from './support/checks';
import { Alerting, type Given } from './support/alerting';

const BINARY = process.env['VARDE_BIN'] ?? '';
if (BINARY === '') {
  if (process.env['CI'] !== undefined) {
    throw new Error('VARDE_BIN is not set: in CI passkeys are never skipped');
  }
  console.log('skipped: e2e/passkeys.spec.ts needs `varde-alerting` beside the binary that VARDE_BIN names.');
}

test.skip(BINARY === '', 'VARDE_BIN is not set: see the line above');

let service: Alerting | null = null;
let trouble: string[] = [];

test.beforeAll(async () => {
  service = await Alerting.start(BINARY);
});
test.afterAll(async () => {
  await service?.stop();
});
test.beforeEach(({ page }) => {
  trouble = watchForTrouble(page);
});
test.afterEach(() => {
  expect(trouble).toEqual([]);
});

/** A phone that asks for a finger, and gets the right one unless it is told otherwise. */
async function authenticator(page: Page): Promise<{ cdp: CDPSession; id: string }> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, id: authenticatorId };
}

async function logIn(page: Page, given: Given): Promise<void> {
  await page.getByLabel('Brukernavn').fill(given.login);
  await page.getByLabel('Passord').fill(given.password);
  await page.getByLabel('Kode', { exact: true }).fill(given.recovery.pop() ?? '');
  await page.keyboard.press('Enter');
  await expect(page.getByText(`Navn ${given.login}`)).toBeVisible();
}

test('a passkey is added, lets its owner in by one key press, and is removed', async ({ page }) => {
  const kari = await service!.person('kari', 'analyst');
  const { cdp, id } = await authenticator(page);
  await page.goto(`${service!.url}/login`);
  await logIn(page, kari);

  await page.getByRole('link', { name: 'Passnøkler' }).click();
  await expect(page).toHaveURL(`${service!.url}/passkeys`);
  await expect(page.getByText('Du har ingen passnøkler.')).toBeVisible();
  await page.getByLabel('Navn på den nye passnøkkelen').focus();
  await page.keyboard.type('Telefon');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Telefon' })).toBeVisible();
  await expect(page.getByText('Ikke brukt')).toBeVisible();
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: id });
  expect(credentials).toHaveLength(1);
  expect(credentials[0]?.isResidentCredential, 'it is found without a name').toBe(true);

  await page.getByLabel('Navn på den nye passnøkkelen').fill('Telefon igjen');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('har allerede en passnøkkel');
  await expectAccessible(page, 'passkeys');

  await page.getByRole('button', { name: 'Logg ut' }).click();
  await expect(page).toHaveURL(`${service!.url}/login`);
  await page.getByRole('button', { name: 'Logg inn med passnøkkel' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText('Navn kari')).toBeVisible();

  await page.getByRole('link', { name: 'Passnøkler' }).click();
  await expect(page.getByText('Sist brukt')).toBeVisible();
  await page.getByLabel('Nytt navn på Telefon').fill('Jobbtelefon');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Jobbtelefon' })).toBeVisible();
  for (const [language, heading] of [
    ['nn', 'Passnøklar'],
    ['en', 'Passkeys'],
    ['nb', 'Passnøkler'],
  ] as const) {
    await page.getByRole('combobox').first().selectOption(language);
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
  }
  await page.setViewportSize({ width: 320, height: 640 });
  await expectReflow(page);

  await page.getByRole('button', { name: 'Fjern Jobbtelefon' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Behold' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Du har ingen passnøkler.')).toBeVisible();

  await page.getByRole('button', { name: 'Logg ut' }).click();
  await page.getByRole('button', { name: 'Logg inn med passnøkkel' }).click();
  await expect(page.getByRole('alert')).toContainText('Passnøkkelen ble ikke godtatt.');
  await logIn(page, kari);
});

test('who is not verified gets no further, and is told what to do instead', async ({ page }) => {
  const ola = await service!.person('ola', 'analyst');
  const { cdp, id } = await authenticator(page);
  await page.goto(`${service!.url}/login`);
  await expect(page.getByLabel('Brukernavn')).toBeFocused();
  await expectAccessible(page, 'login with passkeys');
  await logIn(page, ola);
  await page.goto(`${service!.url}/passkeys`);
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: false });
  await page.getByLabel('Navn på den nye passnøkkelen').fill('Telefon');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('Det ble avbrutt');
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: true });
  await page.getByRole('button', { name: 'Legg til passnøkkel' }).click();
  await expect(page.getByRole('heading', { name: 'Telefon' })).toBeVisible();
  await page.getByRole('button', { name: 'Logg ut' }).click();

  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: false });
  await page.getByRole('button', { name: 'Logg inn med passnøkkel' }).click();
  await expect(page.getByRole('alert')).toContainText('Det ble avbrutt');
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: true });
  await service!.accounts('revoke', 'ola');
  await page.getByRole('button', { name: 'Logg inn med passnøkkel' }).click();
  await expect(page.getByRole('alert')).toContainText('Passnøkkelen ble ikke godtatt.');
});
