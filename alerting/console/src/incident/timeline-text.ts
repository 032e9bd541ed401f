// A line of the timeline in the reader's language. The service writes codes before what a person wrote
// (`false_positive: our own scanner`, `low → high`); the codes are worded here, the person's words are left alone.
import { SEVERITIES, VERDICTS, type Language, type TimelineEntry } from '../api/types';
import { translate } from '../text/catalogue';

export function timelineText({ kind, text }: TimelineEntry, language: Language): string {
  if (kind === 'verdict') {
    const [code = '', ...note] = text.split(': ');
    const verdict = VERDICTS.find((each) => each === code);
    return verdict === undefined ? text : [translate(language, `verdict.${verdict}`), ...note].join(': ');
  }
  if (kind === 'alert') {
    const levels = text.split(' → ').map((code) => SEVERITIES.find((each) => each === code));
    const known = levels.filter((level) => level !== undefined);
    if (known.length < levels.length) return text;
    return known.map((level) => translate(language, `severity.${level}`)).join(' → ');
  }
  return text;
}
