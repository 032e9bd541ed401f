// The live stream: one EventSource for the whole console, shared by the pages that listen.
// The browser resumes by itself with Last-Event-ID; when it gives up, we reopen and tell the pages to catch up.
import type { Incident } from './types';

export type Connection = 'connecting' | 'live' | 'lost';

export interface StreamListener {
  onIncident(incident: Incident): void;
  onConnection(connection: Connection): void;
  /** The stream was reopened without a resume point: what came between must be fetched. */
  onGap(): void;
}

/** Long enough not to hammer a service that is restarting, short enough that nobody reaches for reload. */
const REOPEN_AFTER_MS = 3_000;

const listeners = new Set<StreamListener>();
let source: EventSource | null = null;
let reopenTimer: ReturnType<typeof setTimeout> | null = null;
let connection: Connection = 'connecting';
let hadConnection = false;

/** Starts listening; the stream is open for as long as anyone listens. Returns the function that stops. */
export function listen(listener: StreamListener): () => void {
  listeners.add(listener);
  if (source === null && reopenTimer === null) open(false);
  listener.onConnection(connection);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) close();
  };
}

function open(isReopened: boolean): void {
  const opened = new EventSource('/api/v1/stream');
  source = opened;
  opened.addEventListener('open', () => {
    setConnection('live');
    if (isReopened || hadConnection) for (const listener of listeners) listener.onGap();
    hadConnection = true;
    isReopened = false;
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
    reopenTimer = setTimeout(() => {
      reopenTimer = null;
      open(true);
    }, REOPEN_AFTER_MS);
  });
}

function close(): void {
  source?.close();
  source = null;
  if (reopenTimer !== null) clearTimeout(reopenTimer);
  reopenTimer = null;
  hadConnection = false;
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
