// What the list is narrowed to, and its two spellings: the page's address and the API's query.
// Names are the API's own, so that an address can be read, shared and typed by hand.
import { SEVERITIES, STATES, type Incident, type Severity, type State } from '../api/types';

export interface Filter {
  state: State | '';
  severity: Severity | '';
  /** Organisation number of the municipality. */
  organization: string;
  /** Free text. */
  q: string;
}

export const NO_FILTER: Filter = { state: '', severity: '', organization: '', q: '' };

/** Rows asked for at a time: a screenful and a half, so that "show more" is rarely needed at first sight. */
export const PAGE_SIZE = 50;

/** Reads an address; what it doesn't know it leaves out, so that an old link still opens. */
export function filterFromSearch(search: string): Filter {
  const params = new URLSearchParams(search);
  return {
    state: oneOf(STATES, params.get('state')),
    severity: oneOf(SEVERITIES, params.get('severity')),
    organization: (params.get('organization') ?? '').replace(/\D/g, ''),
    q: (params.get('q') ?? '').trim(),
  };
}

/** The address of a filter: `''` for none, else `?…`, always in the same order. */
export function searchFromFilter(filter: Filter): string {
  const text = params(filter).toString();
  return text === '' ? '' : `?${text}`;
}

export function queryFromFilter(filter: Filter, cursor: string | null): URLSearchParams {
  const query = params(filter);
  if (cursor !== null) query.set('cursor', cursor);
  query.set('limit', String(PAGE_SIZE));
  return query;
}

export function isFiltered(filter: Filter): boolean {
  return searchFromFilter(filter) !== '';
}

/**
 * Whether an incident from the stream belongs in the list as filtered. Free text is the service's to judge
 * (it searches more than a row shows); here it is matched against what the row shows.
 */
export function matches(filter: Filter, incident: Incident): boolean {
  if (filter.state !== '' && incident.state !== filter.state) return false;
  if (filter.severity !== '' && incident.severity !== filter.severity) return false;
  if (filter.organization !== '' && incident.organization.number !== filter.organization) return false;
  if (filter.q === '') return true;
  const shown = [
    incident.title,
    incident.organization.name,
    incident.entity.value,
    incident.source.name,
    incident.source.id,
    ...Object.values(incident.summary),
  ];
  const wanted = filter.q.toLowerCase();
  return shown.some((text) => text.toLowerCase().includes(wanted));
}

function params(filter: Filter): URLSearchParams {
  const result = new URLSearchParams();
  for (const key of ['state', 'severity', 'organization', 'q'] as const) {
    const value = filter[key].trim();
    if (value !== '') result.set(key, value);
  }
  return result;
}

function oneOf<T extends string>(known: readonly T[], value: string | null): T | '' {
  return known.find((candidate) => candidate === value) ?? '';
}
