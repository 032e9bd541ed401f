// A note being written survives a reload and a lost connection: kept in this tab's sessionStorage until it is sent.
import { useCallback, useState } from 'preact/hooks';

/** A page of text; what is longer belongs in a report. The service refuses more. */
export const MAX_NOTE_CHARS = 2000;

export function useDraft(name: string): readonly [string, (text: string) => void] {
  const key = `varde.draft.${name}`;
  const [text, setText] = useState(() => load(key));
  const change = useCallback(
    (next: string) => {
      setText(next);
      try {
        if (next === '') sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, next);
      } catch {
        // Storage is switched off: the note lives as long as the page.
      }
    },
    [key],
  );
  return [text, change];
}

function load(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}
