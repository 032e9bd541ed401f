// Single-key shortcuts, and the sheet that explains them. Off while someone types, while a dialog is open, and
// when switched off (WCAG 2.1.4: character keys must be possible to turn off).
import { useEffect, useRef } from 'preact/hooks';
import type { TextKey } from '../text/catalogue';
import { usePreferences } from './preferences';

/** What each key does, by `KeyboardEvent.key`. */
export type KeyMap = Readonly<Record<string, () => void>>;

export function useKeys(keys: KeyMap): void {
  const { hasKeys } = usePreferences();
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!hasKeys) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector('dialog[open]') !== null) return;
      const action = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : undefined;
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('keydown', onKey);
    };
  }, [hasKeys]);
}

const SHEET: readonly (readonly [string, TextKey])[] = [
  ['j', 'keys.down'],
  ['k', 'keys.up'],
  ['Enter', 'keys.enter'],
  ['a', 'keys.acknowledge'],
  ['n', 'keys.show_new'],
  ['v', 'keys.verdict'],
  ['u', 'keys.back'],
  ['/', 'keys.search'],
  ['?', 'keys.help'],
];

export function KeysDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t, hasKeys, setHasKeys } = usePreferences();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element === null || element.open === isOpen) return;
    if (isOpen) element.showModal();
    else element.close();
  }, [isOpen]);

  return (
    <dialog
      ref={dialog}
      class="ds-dialog keys"
      aria-labelledby="keys-title"
      onClose={onClose}
      onKeyDown={(event) => {
        if (event.key === '?') onClose();
      }}
    >
      <h2 id="keys-title" class="ds-heading" data-size="sm">
        {t('keys.title')}
      </h2>
      <table class="ds-table" data-size="sm">
        <thead>
          <tr>
            <th scope="col">{t('keys.column.key')}</th>
            <th scope="col">{t('keys.column.does')}</th>
          </tr>
        </thead>
        <tbody>
          {SHEET.map(([key, text]) => (
            <tr key={key}>
              <td>
                <kbd>{key === 'Enter' ? t('keys.enter.name') : key}</kbd>
              </td>
              <td>{t(text)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="ds-field">
        <input
          id="keys-enabled"
          class="ds-input"
          type="checkbox"
          role="switch"
          checked={hasKeys}
          aria-describedby="keys-enabled-help"
          onChange={(event) => {
            setHasKeys(event.currentTarget.checked);
          }}
        />
        <label class="ds-label" for="keys-enabled">
          {t('keys.enable')}
        </label>
        <p id="keys-enabled-help" data-field="description" class="ds-paragraph" data-size="sm">
          {t('keys.enable.help')}
        </p>
      </div>
      <button type="button" class="ds-button" data-variant="secondary" onClick={onClose}>
        {t('app.close')}
      </button>
    </dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button', 'submit'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
