// The texts of the console in three languages, typed by the bokmål one: a missing or an extra key does not compile.
// Not the words of incidents themselves: those come from the service, in the same three languages.
import type { Language } from '../api/types';
import { en } from './en';
import { nb } from './nb';
import { nn } from './nn';

export type TextKey = keyof typeof nb;
export type Catalogue = Readonly<Record<TextKey, string>>;
export type Values = Readonly<Record<string, string | number>>;

export const LANGUAGES: readonly Language[] = ['nb', 'nn', 'en'];

/** Each language by its own name, as its readers look for it. */
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = {
  nb: 'Bokmål',
  nn: 'Nynorsk',
  en: 'English',
};

export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { nb, nn, en };

/** The text of `key`, with `{name}` filled in from `values`. A name without a value stays visible as it is. */
export function translate(language: Language, key: TextKey, values: Values = {}): string {
  // A key built from the wire can be one that only a newer service knows: shown as it came, never a broken page.
  const text = (CATALOGUES[language] as Partial<Catalogue>)[key] ?? key.slice(key.lastIndexOf('.') + 1);
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    return value === undefined ? placeholder : String(value);
  });
}

/** The everyday name of an ECS field, where we have one. */
export function fieldName(language: Language, field: string): string | null {
  const key = `field.${field}`;
  return isTextKey(key) ? CATALOGUES[language][key] : null;
}

/** What is known of an indicator's kind, as words: `domain` is `Kjent skadelig domene`. Null for a kind we don't know. */
export function indicatorName(language: Language, kind: string): string | null {
  const key = `indicator.${kind}`;
  return isTextKey(key) ? CATALOGUES[language][key] : null;
}

export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.some((language) => language === value);
}

export function isTextKey(key: string): key is TextKey {
  return Object.hasOwn(nb, key);
}
