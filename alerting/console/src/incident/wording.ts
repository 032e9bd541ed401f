// What an incident is called, and whom it concerns, in the reader's language. Pure: no page, no fetching.
// A rule's name is English and stays as it is; the sentence of what happened comes in every language and goes first.
import type { Evidence, Incident, IncidentExplained, Language } from '../api/types';
import { indicatorName } from '../text/catalogue';

export interface Headline {
  text: string;
  /** The rule's own name, to be shown below; null where the headline says it already. */
  rule: string | null;
}

export function headline({ title, summary, source }: Incident, language: Language): Headline {
  if (source.kind === 'indicator') return { text: indicatorText(source, language), rule: null };
  const sentence = summary[language];
  return sentence === '' || sentence === title
    ? { text: title, rule: null }
    : { text: sentence, rule: title };
}

/** The rule by its name, or the indicator in words. */
export function sourceName(source: Incident['source'], language: Language): string {
  return source.kind === 'indicator' ? indicatorText(source, language) : source.name;
}

/** `domain:c2.example` as what it is and what it is called; null for a kind only a newer service knows. */
export function indicatorOf(
  { kind, id }: Incident['source'],
  language: Language,
): { name: string; value: string } | null {
  const colon = id.indexOf(':');
  if (kind !== 'indicator' || colon < 0) return null;
  const name = indicatorName(language, id.slice(0, colon));
  return name === null ? null : { name, value: id.slice(colon + 1) };
}

/** What matched. An indicator's comes with its kind in front (`domain c2.example`): the value alone is in the event. */
export function matchedIn({ source, evidence }: Pick<IncidentExplained, 'source' | 'evidence'>): Evidence[] {
  if (source.kind !== 'indicator') return evidence;
  const kind = `${source.id.split(':', 1)[0] ?? ''} `;
  return evidence.map((item) =>
    typeof item.matched === 'string' && item.matched.startsWith(kind)
      ? { ...item, matched: item.matched.slice(kind.length) }
      : item,
  );
}

export interface EntityPart {
  field: string;
  value: string;
}

const JOINT = ' + ';

/** What the API gives as value of an incident about many things. */
const MANY = '*';

/** A correlation may group by several fields (`source.ip + host.name`): each with its own value. */
export function entityParts({ field, value }: Incident['entity'], many: string): EntityPart[] {
  if (value === MANY) return [{ field, value: many }];
  const fields = field.split(JOINT);
  const values = value.split(JOINT);
  if (fields.length !== values.length) return [{ field, value }];
  return fields.map((each, index) => ({ field: each, value: values[index] ?? '' }));
}

function indicatorText(source: Incident['source'], language: Language): string {
  const indicator = indicatorOf(source, language);
  return indicator === null ? source.name : `${indicator.name}: ${indicator.value}`;
}
