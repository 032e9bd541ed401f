// The list of incidents as a value: pages loaded, live updates merged, newcomers held back until asked for.
// Pure: no fetching, no clock. The invariant that matters: a live update never adds, removes or moves a row
// that is on the screen; only `showPending` and a fresh load do.
import type { Incident, IncidentPage } from '../api/types';
import { matches, type Filter } from './filter';

export interface IncidentList {
  filter: Filter;
  rows: readonly Incident[];
  /** New or changed, and not yet on the screen; the latest first. At most `MAX_PENDING`. */
  pending: readonly Incident[];
  nextCursor: string | null;
  /** How many match at the service, the pending ones not counted. */
  total: number;
  /** A search counts only so far: then there are at least `total`. */
  isTotalExact: boolean;
}

/** More than this waiting is a flood that a reload shows better than a merge; the bar then says "500+". */
export const MAX_PENDING = 500;

export function firstPage(filter: Filter, page: IncidentPage): IncidentList {
  return {
    filter,
    rows: unique(page.incidents),
    pending: [],
    nextCursor: page.next_cursor,
    total: page.total,
    isTotalExact: page.total_is_exact,
  };
}

/** Adds the next page below. An incident that moved between two fetches is not shown twice. */
export function nextPage(list: IncidentList, page: IncidentPage): IncidentList {
  const pending = new Set(list.pending.map((incident) => incident.id));
  const added = page.incidents.filter((incident) => !pending.has(incident.id));
  return { ...list, rows: unique([...list.rows, ...added]), nextCursor: page.next_cursor };
}

/** Merges one incident from the stream. Returns the same list when nothing changed. */
export function receive(list: IncidentList, incident: Incident): IncidentList {
  const at = list.rows.findIndex((row) => row.id === incident.id);
  if (at >= 0) {
    // In place, even when it no longer matches the filter: a row must not vanish under a hand.
    return isNewer(incident, list.rows[at]) ? { ...list, rows: list.rows.with(at, incident) } : list;
  }
  const waiting = list.pending.findIndex((row) => row.id === incident.id);
  if (waiting >= 0) {
    if (!isNewer(incident, list.pending[waiting])) return list;
    return matches(list.filter, incident)
      ? { ...list, pending: list.pending.with(waiting, incident) }
      : { ...list, pending: list.pending.filter((row) => row.id !== incident.id) };
  }
  if (!matches(list.filter, incident) || isBelowTheFold(list, incident)) return list;
  if (list.rows.length === 0) return { ...list, rows: [incident], total: list.total + 1 };
  if (list.pending.length >= MAX_PENDING) return list;
  return { ...list, pending: [incident, ...list.pending] };
}

/** Puts the newcomers on top, in the order they came. */
export function showPending(list: IncidentList): IncidentList {
  return {
    ...list,
    rows: unique([...list.pending, ...list.rows]),
    pending: [],
    total: list.total + list.pending.length,
  };
}

/** The service lists the latest change first: what changed before the last row did is on a page still to fetch. */
function isBelowTheFold(list: IncidentList, incident: Incident): boolean {
  const last = list.rows.at(-1);
  if (list.nextCursor === null || last === undefined) return false;
  return Date.parse(incident.updated_at) < Date.parse(last.updated_at);
}

function isNewer(incident: Incident, than: Incident | undefined): boolean {
  return than === undefined || incident.version > than.version;
}

function unique(incidents: readonly Incident[]): Incident[] {
  const seen = new Set<string>();
  return incidents.filter((incident) => {
    if (seen.has(incident.id)) return false;
    seen.add(incident.id);
    return true;
  });
}
