import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CATALOGUES, fieldName, LANGUAGES, translate, type TextKey } from '../src/text/catalogue';

const KEYS = Object.keys(CATALOGUES.nb) as TextKey[];

/** Words that are the same in Norwegian and English. Anything else that is equal was left untranslated. */
const SAME_IN_ENGLISH = new Set<TextKey>([
  'app.name',
  'keys.enter.name',
  'state.label',
  'detail.source.id',
  'detail.channel.webhook',
  'detail.channel.chat',
  'detail.channel.syslog',
]);

describe('the catalogues', () => {
  it.each(LANGUAGES)('%s has no empty text, no stray space and no straight three dots', (language) => {
    for (const key of KEYS) {
      const text = CATALOGUES[language][key];
      expect(text.trim(), key).toBe(text);
      expect(text, key).not.toBe('');
      expect(text, key).not.toContain('...');
    }
  });

  it('have nothing left in Norwegian in the English one', () => {
    const equal = KEYS.filter((key) => CATALOGUES.nb[key] === CATALOGUES.en[key]);
    expect(equal.filter((key) => !SAME_IN_ENGLISH.has(key))).toEqual([]);
  });

  it('fill in the same names in every language', () => {
    const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).toSorted();
    for (const key of KEYS) {
      for (const language of LANGUAGES) {
        expect(names(CATALOGUES[language][key]), `${language} ${key}`).toEqual(names(CATALOGUES.nb[key]));
      }
    }
  });

  it('have bokmål and nynorsk words in their own catalogue only', () => {
    const all = (language: 'nb' | 'nn') => Object.values(CATALOGUES[language]).join(' ');
    expect(all('nb')).not.toMatch(/\b(ikkje|ein|kva|kven|frå|hendingar?|meir|dykk)\b/i);
    expect(all('nn')).not.toMatch(/\b(ikke|en|hva|hvem|fra|hendelser?|mer|dere|ble)\b/i);
  });

  it('have no key that no page uses', () => {
    const source = sourceText('src');
    const isUsed = (key: string) => {
      if (source.includes(`'${key}'`)) return true;
      // Built keys: `severity.${…}` and the like.
      const parts = key.split('.');
      return (
        parts.some((_, at) => at > 0 && source.includes(`\`${parts.slice(0, at).join('.')}.\${`)) ||
        isBuilt(key)
      );
    };
    expect(KEYS.filter((key) => !isUsed(key))).toEqual([]);
  });
});

describe('translate', () => {
  it('fills in the values and leaves a name without one to be seen', () => {
    expect(translate('en', 'list.shown', { shown: 50, total: 120 })).toBe('Showing 50 of 120');
    expect(translate('nb', 'list.shown.least', { shown: 50, total: 1000 })).toBe('Viser 50 av minst 1000');
    expect(translate('nb', 'list.shown', { shown: 50 })).toBe('Viser 50 av {total}');
  });

  it('shows a word that only a newer service knows as it came', () => {
    expect(translate('nb', 'state.escalated' as TextKey)).toBe('escalated');
  });

  it('names the fields it knows, and only those', () => {
    expect(fieldName('nb', 'source.ip')).toBe('Avsenderadresse');
    expect(fieldName('nn', 'source.ip')).toBe('Avsendaradresse');
    expect(fieldName('en', 'constructor')).toBeNull();
  });
});

/** Keys made of a variable first part: `${kind}.title`. */
function isBuilt(key: string): boolean {
  return ['list.empty.', 'list.empty.filtered.', 'field.', 'indicator.'].some((start) =>
    key.startsWith(start),
  );
}

function sourceText(folder: string): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.parentPath.endsWith('text'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}
