// What the browser asks of authenticators (WebAuthn Level 3 section 5.1): JSON in, JSON out, as the service speaks it.

/** Whether this browser can: it has no such thing on a page that came unencrypted. */
export function canUsePasskeys(): boolean {
  return (
    typeof PublicKeyCredential === 'function' &&
    typeof PublicKeyCredential.parseRequestOptionsFromJSON === 'function' &&
    typeof PublicKeyCredential.parseCreationOptionsFromJSON === 'function'
  );
}

/** Has somebody show a passkey. */
export async function ask(options: PublicKeyCredentialRequestOptionsJSON): Promise<object> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return told(await navigator.credentials.get({ publicKey }));
}

/** Has an authenticator make a passkey. */
export async function make(options: PublicKeyCredentialCreationOptionsJSON): Promise<object> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return told(await navigator.credentials.create({ publicKey }));
}

/** Whether somebody thought better of it, or had no passkey to show: browsers tell the two apart for nobody. */
export function isCancelled(failure: unknown): boolean {
  return failure instanceof DOMException && ['NotAllowedError', 'AbortError'].includes(failure.name);
}

/** Whether the authenticator has a passkey for this account already. */
export function isKnown(failure: unknown): boolean {
  return failure instanceof DOMException && failure.name === 'InvalidStateError';
}

function told(credential: Credential | null): object {
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException('no passkey', 'NotAllowedError');
  return credential.toJSON();
}
