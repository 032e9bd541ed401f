// What one person has chosen in this browser: language, theme, single-key shortcuts. Kept in localStorage
// (works without it, too); nothing of this reaches the service.
import { createContext, type ComponentChildren } from 'preact';
import { useCallback, useContext, useEffect, useMemo, useState } from 'preact/hooks';
import type { Language } from '../api/types';
import { isLanguage, translate, type TextKey, type Values } from '../text/catalogue';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export interface Preferences {
  language: Language;
  theme: Theme;
  hasKeys: boolean;
  t: (key: TextKey, values?: Values) => string;
  setLanguage: (language: Language) => void;
  setTheme: (theme: Theme) => void;
  setHasKeys: (hasKeys: boolean) => void;
  /** The language that someone else suggests (a responder's own); a choice made here wins over it. */
  suggestLanguage: (language: string) => void;
}

const Context = createContext<Preferences | null>(null);

export function usePreferences(): Preferences {
  const preferences = useContext(Context);
  if (preferences === null) throw new Error('usePreferences outside PreferencesProvider');
  return preferences;
}

export function PreferencesProvider({ children }: { children: ComponentChildren }) {
  const [chosen, setChosen] = useState<Language | null>(readLanguage);
  const [suggested, setSuggested] = useState<Language>('nb');
  const [theme, setThemeState] = useState<Theme>(readTheme);
  const [hasKeys, setHasKeysState] = useState(() => read('keys') !== 'off');
  const language = chosen ?? suggested;

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  useEffect(() => {
    document.documentElement.dataset['colorScheme'] = theme;
  }, [theme]);

  const t = useCallback((key: TextKey, values?: Values) => translate(language, key, values), [language]);
  const value = useMemo<Preferences>(
    () => ({
      language,
      theme,
      hasKeys,
      t,
      setLanguage: (next) => {
        write('language', next);
        setChosen(next);
      },
      setTheme: (next) => {
        write('theme', next);
        setThemeState(next);
      },
      setHasKeys: (next) => {
        write('keys', next ? 'on' : 'off');
        setHasKeysState(next);
      },
      // A contact's language can be one that the console has not: Bokmål then.
      suggestLanguage: (language: string) => {
        setSuggested(isLanguage(language) ? language : 'nb');
      },
    }),
    [language, theme, hasKeys, t],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

function readLanguage(): Language | null {
  const stored = read('language');
  return isLanguage(stored) ? stored : null;
}

function readTheme(): Theme {
  const stored = read('theme');
  return THEMES.find((theme) => theme === stored) ?? 'auto';
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(`varde.${name}`);
  } catch {
    return null; // Storage is switched off in this browser: choices last until the page is left.
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(`varde.${name}`, value);
  } catch {
    // As in `read`.
  }
}
