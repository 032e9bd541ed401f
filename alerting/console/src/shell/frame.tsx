// What stands around every page: skip link, header with language and theme, main, footer.
// The responder's frame is the same without the menu: that page leads nowhere else.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { isLanguage, LANGUAGE_NAMES, LANGUAGES } from '../text/catalogue';
import { Announcer } from './announce';
import { Logo } from './icons';
import { KeysDialog, useKeys } from './keys';
import { THEMES, usePreferences } from './preferences';
import { Me } from './me';
import { Link, type Route } from './router';
import { DeadLettersLink } from '../post/dead-letters-link';

export function AnalystFrame({ page, children }: { page: Route['page']; children: ComponentChildren }) {
  const { t } = usePreferences();
  const [isKeysOpen, setIsKeysOpen] = useState(false);
  useKeys({
    '?': () => {
      setIsKeysOpen(true);
    },
  });
  return (
    <Frame
      brand={
        <Link class="brand" href="/">
          <Logo />
          {t('app.name')}
        </Link>
      }
      menu={
        <nav aria-label={t('app.nav')}>
          <Link
            class="menu-link"
            href="/"
            {...(page === 'dead-letters' || page === 'passkeys' ? {} : { 'aria-current': 'true' as const })}
          >
            {t('app.nav.incidents')}
          </Link>
          <DeadLettersLink isHere={page === 'dead-letters'} />
        </nav>
      }
      tools={
        <>
          <Me isAtPasskeys={page === 'passkeys'} />
          <button
            type="button"
            class="ds-button keys-button"
            data-variant="tertiary"
            data-color="neutral"
            aria-haspopup="dialog"
            onClick={() => {
              setIsKeysOpen(true);
            }}
          >
            <kbd aria-hidden="true">?</kbd>
            <span>{t('keys.open')}</span>
          </button>
        </>
      }
    >
      {children}
      <KeysDialog
        isOpen={isKeysOpen}
        onClose={() => {
          setIsKeysOpen(false);
        }}
      />
    </Frame>
  );
}

export function ResponderFrame({ children }: { children: ComponentChildren }) {
  const { t } = usePreferences();
  return (
    <Frame
      isNarrow
      brand={
        <span class="brand">
          <Logo />
          {t('app.name')}
        </span>
      }
      menu={<span class="tagline subtle">{t('app.tagline')}</span>}
    >
      {children}
    </Frame>
  );
}

/** Around the login page: as the responder's, since there is nowhere to go yet. */
export function LoginFrame({ children }: { children: ComponentChildren }) {
  return <ResponderFrame>{children}</ResponderFrame>;
}

interface FrameProps {
  brand: ComponentChildren;
  menu: ComponentChildren;
  tools?: ComponentChildren;
  isNarrow?: boolean;
  children: ComponentChildren;
}

function Frame({ brand, menu, tools, isNarrow = false, children }: FrameProps) {
  const { t } = usePreferences();
  return (
    <div class={isNarrow ? 'frame frame-narrow' : 'frame'} {...(isNarrow ? { 'data-size': 'md' } : {})}>
      <a class="ds-skip-link" href="#main">
        {t('app.skip')}
      </a>
      <header class="top">
        <div class="top-inside">
          {brand}
          {menu}
          <div class="top-tools">
            {tools}
            <Settings />
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer class="bottom">
        <p class="ds-paragraph subtle" data-size="sm">
          {t('app.footer')}
        </p>
      </footer>
      <Announcer />
    </div>
  );
}

function Settings() {
  const { t, language, setLanguage, theme, setTheme } = usePreferences();
  return (
    <div class="settings" role="group" aria-label={t('app.settings')} data-size="sm">
      <select
        class="ds-input"
        aria-label={t('app.language')}
        value={language}
        onChange={(event) => {
          const { value } = event.currentTarget;
          if (isLanguage(value)) setLanguage(value);
        }}
      >
        {LANGUAGES.map((each) => (
          <option key={each} value={each} lang={each}>
            {LANGUAGE_NAMES[each]}
          </option>
        ))}
      </select>
      <select
        class="ds-input"
        aria-label={t('app.theme')}
        value={theme}
        onChange={(event) => {
          const { value } = event.currentTarget;
          setTheme(THEMES.find((each) => each === value) ?? 'auto');
        }}
      >
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {t(`app.theme.${each}`)}
          </option>
        ))}
      </select>
    </div>
  );
}
