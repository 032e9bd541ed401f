// The fields of an event as rows to read: flattened, the matched ones first, their matching part cut out for marking.
// Pure; knows ECS only by what an analyst reads first.
import type { Evidence, IncidentEvent } from '../api/types';

export interface FieldRow {
  field: string;
  /** The value as text, in pieces; `isMatch` pieces are what the rule or indicator matched. */
  pieces: readonly Piece[];
  isMatch: boolean;
}

export interface Piece {
  text: string;
  isMatch: boolean;
}

/** What is read first when an event is looked at; everything else follows by name. */
const READ_FIRST = [
  '@timestamp',
  'event.dataset',
  'source.ip',
  'source.port',
  'destination.ip',
  'destination.port',
  'destination.domain',
  'dns.question.name',
  'url.full',
  'url.domain',
  'user.name',
  'host.name',
];

export function fieldRows(event: IncidentEvent, evidence: readonly Evidence[]): FieldRow[] {
  const matched = new Map<string, string[]>();
  for (const item of evidence) {
    if (item.event_id !== event.id) continue;
    matched.set(item.field, [...(matched.get(item.field) ?? []), valueText(item.matched ?? item.value)]);
  }
  const fields = flatten(event.fields);
  return [...fields]
    .map(([field, text]) => {
      const wanted = matched.get(field);
      return {
        field,
        isMatch: wanted !== undefined,
        pieces: wanted === undefined ? plain(text) : marked(text, wanted),
      };
    })
    .toSorted(
      (a, b) =>
        Number(b.isMatch) - Number(a.isMatch) || rank(a.field) - rank(b.field) || compare(a.field, b.field),
    );
}

/** A value of any JSON shape as one line of text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return JSON.stringify(value);
}

/** `{source: {ip}}` and `{"source.ip"}` are the same field. */
function flatten(fields: Record<string, unknown>, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [name, value] of Object.entries(fields)) {
    const field = prefix + name;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      for (const [inner, text] of flatten(value as Record<string, unknown>, `${field}.`))
        flat.set(inner, text);
    } else {
      flat.set(field, valueText(value));
    }
  }
  return flat;
}

/** Marks where the matched text stands in the value; all of it, where the match was by pattern, prefix or range. */
function marked(text: string, wanted: readonly string[]): Piece[] {
  // Sigma and indicators compare without case; the few letters whose lower case is longer would shift the marks.
  const lower = text.toLowerCase().length === text.length ? text.toLowerCase() : text;
  const ranges = wanted
    .filter((part) => part !== '')
    .map((part) => ({ at: lower.indexOf(part.toLowerCase()), length: part.length }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at);
  if (ranges.length === 0) return [{ text, isMatch: true }];
  const pieces: Piece[] = [];
  let done = 0;
  for (const { at, length } of ranges) {
    const start = Math.max(at, done);
    const end = at + length;
    if (end <= start) continue;
    if (start > done) pieces.push({ text: text.slice(done, start), isMatch: false });
    pieces.push({ text: text.slice(start, end), isMatch: true });
    done = end;
  }
  if (done < text.length) pieces.push({ text: text.slice(done), isMatch: false });
  return pieces;
}

function plain(text: string): Piece[] {
  return [{ text, isMatch: false }];
}

function rank(field: string): number {
  const at = READ_FIRST.indexOf(field);
  return at < 0 ? READ_FIRST.length : at;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
