// The live stream: one EventSource for the whole console, shared by the pages that listen.
// The browser resumes by itself with Last-Event-ID; when it gives up, we reopen and tell the pages to catch up.
import { fetchMe } from './client';
import type { Incident } from './types';

export type Connection = 'connecting' | 'live' | 'lost';

export interface StreamListener {
  onIncident(incident: Incident): void;
  onConnection(connection: Connection): void;
  /** The stream has (re)opened: what changed before it did, and after the page was fetched, must be fetched. */
  onGap(): void;
}

/** Long enough not to hammer a service that is restarting, short enough that nobody reaches for reload. */
const REOPEN_AFTER_MS = 3_000;

const listeners = new Set<StreamListener>();
let source: EventSource | null = null;
let reopenTimer: ReturnType<typeof setTimeout> | null = null;
let connection: Connection = 'connecting';

/** Starts listening; the stream is open for as long as anyone listens. Returns the function that stops. */
export function listen(listener: StreamListener): () => void {
  listeners.add(listener);
  if (source === null && reopenTimer === null) open();
  listener.onConnection(connection);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) close();
  };
}

function open(): void {
  const opened = new EventSource('/api/v1/stream');
  source = opened;
  opened.addEventListener('open', () => {
    setConnection('live');
    for (const listener of listeners) listener.onGap();
  });
  opened.addEventListener('incident', (event: MessageEvent<string>) => {
    const incident = parseIncident(event.data);
    if (incident !== null) for (const listener of listeners) listener.onIncident(incident);
  });
  opened.addEventListener('error', () => {
    setConnection('lost');
    if (opened.readyState !== EventSource.CLOSED) return;
    opened.close();
    source = null;
    // An EventSource does not say why it was refused; if it was for want of a login, this does.
    fetchMe().catch(() => undefined);
    reopenTimer = setTimeout(() => {
      reopenTimer = null;
      open();
    }, REOPEN_AFTER_MS);
  });
}

function close(): void {
  source?.close();
  source = null;
  if (reopenTimer !== null) clearTimeout(reopenTimer);
  reopenTimer = null;
  connection = 'connecting';
}

function setConnection(next: Connection): void {
  connection = next;
  for (const listener of listeners) listener.onConnection(next);
}

function parseIncident(data: string): Incident | null {
  try {
    return JSON.parse(data) as Incident;
  } catch {
    return null;
  }
}
