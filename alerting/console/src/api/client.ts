// Calls to `/api/v1`: one function per endpoint, one error type. Not a cache: pages own what they hold.
import type {
  ContactAnswer,
  ContactView,
  DeadLetters,
  IncidentDetail,
  IncidentPage,
  LoginWays,
  Me,
  Organization,
  Passkey,
  PasskeyList,
  ResponderView,
  Verdict,
} from './types';

/** A refused or failed call. `status` is 0 when no answer came at all (server down, network gone). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const BASE = '/api/v1';
const PASSKEY_LOGIN = '/passkeys/login';

export function fetchIncidents(query: URLSearchParams, signal?: AbortSignal): Promise<IncidentPage> {
  return call(`/incidents?${query.toString()}`, signal ? { signal } : {});
}

export function fetchIncident(id: string, signal?: AbortSignal): Promise<IncidentDetail> {
  return call(`/incidents/${encodeURIComponent(id)}`, signal ? { signal } : {});
}

export function fetchOrganizations(signal?: AbortSignal): Promise<Organization[]> {
  return call('/organizations', signal ? { signal } : {});
}

export function acknowledgeIncident(id: string, note: string): Promise<IncidentDetail> {
  return answer(`/incidents/${encodeURIComponent(id)}/acknowledge`, withNote({}, note));
}

export function judgeIncident(id: string, verdict: Verdict, note: string): Promise<IncidentDetail> {
  return answer(`/incidents/${encodeURIComponent(id)}/verdict`, withNote({ verdict }, note));
}

export function fetchContact(token: string, signal?: AbortSignal): Promise<ContactView> {
  return call(`/contact/${encodeURIComponent(token)}`, signal ? { signal } : {});
}

export function answerContact(token: string, answer: ContactAnswer): Promise<ContactView> {
  return post(`/contact/${encodeURIComponent(token)}`, { answer });
}

export function fetchDeadLetters(signal?: AbortSignal): Promise<DeadLetters> {
  return call('/dead-letters', signal ? { signal } : {});
}

export function deadLetterAgain(id: string): Promise<unknown> {
  return post(`/dead-letters/${encodeURIComponent(id)}/again`, {});
}

export function deadLetterAside(id: string, reason: string): Promise<unknown> {
  return post(`/dead-letters/${encodeURIComponent(id)}/aside`, { reason });
}

export function fetchResponder(token: string, signal?: AbortSignal): Promise<ResponderView> {
  return call(`/responder/${encodeURIComponent(token)}`, signal ? { signal } : {});
}

export function responderSeen(token: string): Promise<ResponderView> {
  return answer(`/responder/${encodeURIComponent(token)}/seen`, {});
}

export function responderAcknowledge(token: string, note: string): Promise<ResponderView> {
  return answer(`/responder/${encodeURIComponent(token)}/acknowledge`, withNote({}, note));
}

export function responderJudge(token: string, verdict: Verdict, note: string): Promise<ResponderView> {
  return answer(`/responder/${encodeURIComponent(token)}/verdict`, withNote({ verdict }, note));
}

/** Sent to the window when the service no longer knows who asks: the console then goes to the login page. */
export const LOGGED_OUT = 'varde:logged-out';

export function fetchMe(signal?: AbortSignal): Promise<Me> {
  return call('/me', signal ? { signal } : {});
}

export function fetchLoginWays(signal?: AbortSignal): Promise<LoginWays> {
  return call('/login', signal ? { signal } : {});
}

export function logIn(login: string, password: string, code: string): Promise<unknown> {
  return post('/login', { login, password, code });
}

/** What authenticators are asked for a login, or to make a passkey; good for one answer. */
export function passkeyLoginOptions(): Promise<{ options: PublicKeyCredentialRequestOptionsJSON }> {
  return post('/passkeys/login/options', {});
}

export function logInWithPasskey(credential: object): Promise<unknown> {
  return post(PASSKEY_LOGIN, { credential });
}

export function passkeyOptions(): Promise<{ options: PublicKeyCredentialCreationOptionsJSON }> {
  return post('/passkeys/options', {});
}

export function fetchPasskeys(signal?: AbortSignal): Promise<PasskeyList> {
  return call('/passkeys', signal ? { signal } : {});
}

export function addPasskey(name: string, credential: object): Promise<Passkey> {
  return post('/passkeys', { name, credential });
}

export function renamePasskey(id: string, name: string): Promise<unknown> {
  return send('PUT', `/passkeys/${encodeURIComponent(id)}`, { name });
}

export function removePasskey(id: string): Promise<unknown> {
  return send('DELETE', `/passkeys/${encodeURIComponent(id)}`, {});
}

/** Where one logs in by an identity provider: an address that the browser goes to. */
export function providerPath(id: string, back: string, language: string): string {
  const query = new URLSearchParams({ back, language });
  return `${BASE}/login/${encodeURIComponent(id)}?${query.toString()}`;
}

/** Ends the session; `next` is where the identity provider ends its own. */
export function logOut(): Promise<{ next?: string | null }> {
  return post('/logout', {});
}

function withNote(body: Record<string, string>, note: string): Record<string, string> {
  const text = note.trim();
  return text === '' ? body : { ...body, note: text };
}

/** Keys of what was sent and not answered: sent again it has the same one, and the service carries it out once. */
const unanswered = new Map<string, string>();

async function answer<T>(path: string, body: Record<string, string>): Promise<T> {
  const request = `${path} ${JSON.stringify(body)}`;
  const key = unanswered.get(request) ?? newKey();
  unanswered.set(request, key);
  try {
    const answered = await post<T>(path, body, { 'idempotency-key': key });
    unanswered.delete(request);
    return answered;
  } catch (error) {
    // No answer, or one that does not say whether it took effect: the next attempt is the same request.
    const isOpen = error instanceof ApiError && (error.status === 0 || error.status >= 500);
    if (!isOpen) unanswered.delete(request);
    throw error;
  }
}

function post<T>(path: string, body: object, more: Record<string, string> = {}): Promise<T> {
  return send('POST', path, body, more);
}

function send<T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: object,
  more: Record<string, string> = {},
): Promise<T> {
  return call(path, {
    method,
    // A cross-site form cannot set this header: the service refuses a change without it.
    headers: { 'content-type': 'application/json', 'x-requested-with': 'varde', ...more },
    body: JSON.stringify(body),
  });
}

/** 128 random bits; `crypto.randomUUID` is there only where the page came over https. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, 'no answer');
  }
  // At the login page itself 401 is the answer to what was typed; a responder's link has no login.
  const isAsked = path === '/login' || path === PASSKEY_LOGIN || path.startsWith('/responder/');
  if (response.status === 401 && !isAsked) dispatchEvent(new Event(LOGGED_OUT));
  if (!response.ok) throw new ApiError(response.status, await problemText(response));
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (isAbort(error)) throw error;
    // A body cut off by the network is no answer; one that is whole but not JSON is the service's fault.
    if (!(error instanceof SyntaxError)) throw new ApiError(0, 'no answer');
    throw new ApiError(response.status, 'the answer is not JSON');
  }
}

/** The `detail` (or `title`) of an RFC 9457 problem, or the status line where the body is something else. */
async function problemText(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { title?: unknown; detail?: unknown };
    if (typeof problem.detail === 'string' && problem.detail !== '') return problem.detail;
    if (typeof problem.title === 'string' && problem.title !== '') return problem.title;
  } catch {
    // Not a problem document: a proxy's own error page, say.
  }
  return `${response.status} ${response.statusText}`.trim();
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
