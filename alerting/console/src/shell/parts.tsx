// Small parts that every page uses: tags for severity, state and verdict, times, page states, headings with focus.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { ApiError } from '../api/client';
import type { Severity, State, Verdict } from '../api/types';
import { longTime, shortTime, utcTime } from '../time';
import { SeverityIcon, StateIcon, VerdictIcon } from './icons';
import { usePreferences } from './preferences';

export function SeverityTag({ severity }: { severity: Severity }) {
  const { t } = usePreferences();
  return (
    <span class={`severity severity-${severity}`}>
      <SeverityIcon severity={severity} />
      {t(`severity.${severity}`)}
    </span>
  );
}

const STATE_COLORS: Readonly<Record<State, string>> = {
  new: 'accent',
  notified: 'neutral',
  seen: 'neutral',
  acknowledged: 'success',
  closed: 'neutral',
};

export function StateTag({ state }: { state: State }) {
  const { t } = usePreferences();
  return (
    <span
      class="ds-tag state"
      data-color={STATE_COLORS[state]}
      data-variant={state === 'closed' ? 'outline' : 'default'}
    >
      <StateIcon state={state} />
      {t(`state.${state}`)}
    </span>
  );
}

export function VerdictText({ verdict }: { verdict: Verdict | null }) {
  const { t } = usePreferences();
  if (verdict === null) return <span class="subtle">{t('verdict.none')}</span>;
  return (
    <span class="verdict">
      <VerdictIcon verdict={verdict} />
      {t(`verdict.${verdict}`)}
    </span>
  );
}

export function ExerciseTag() {
  const { t } = usePreferences();
  return (
    <span class="ds-tag exercise" data-color="warning" data-variant="outline">
      {t('exercise')}
    </span>
  );
}

export function ExerciseBanner() {
  const { t } = usePreferences();
  return (
    <div class="ds-alert exercise-banner" data-color="warning">
      <strong>{t('exercise')}.</strong> {t('exercise.help')}
    </div>
  );
}

/** A time in Norwegian time; the UTC one is there for the pointer, and on detail pages as text. */
export function Time({ at, form = 'short' }: { at: string; form?: 'short' | 'long' | 'both' }) {
  const { language } = usePreferences();
  return (
    <time dateTime={at} title={utcTime(at)}>
      {form === 'short' ? shortTime(at, language, new Date()) : longTime(at, language)}
      {form === 'both' && <span class="utc subtle">{utcTime(at)}</span>}
    </time>
  );
}

/** The page's one `h1`. Takes focus when the page opens, so that a screen reader starts where the eye does. */
export function PageTitle({ children, title }: { children: ComponentChildren; title: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { t } = usePreferences();
  useEffect(() => {
    document.title = `${title} – ${t('app.name')}`;
  }, [title, t]);
  // Before the page is painted, and before the page around it has its say: the list moves on to the row last open.
  useLayoutEffect(() => {
    if (isFirstPage) {
      isFirstPage = false;
      return;
    }
    scrollTo({ top: 0 });
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={heading} class="ds-heading page-title" data-size="md" tabIndex={-1}>
      {children}
    </h1>
  );
}

/** The page that the browser opened keeps the browser's own focus: the skip link must be the first tab stop. */
let isFirstPage = true;

export function Loading({ text }: { text: string }) {
  return (
    <div class="page-state" role="status">
      <svg class="ds-spinner" viewBox="0 0 50 50" aria-hidden="true">
        <circle class="ds-spinner__background" cx="25" cy="25" r="20" fill="none" stroke-width="5" />
        <circle class="ds-spinner__circle" cx="25" cy="25" r="20" fill="none" stroke-width="5" />
      </svg>
      <p class="ds-paragraph">{text}</p>
    </div>
  );
}

/** What went wrong in words that help, and a way on. */
export function Failure({
  error,
  onRetry,
  level = 2,
}: {
  error: unknown;
  onRetry: () => void;
  level?: 1 | 2;
}) {
  const { t } = usePreferences();
  const kind = failureKind(error);
  const detail = error instanceof Error ? error.message : String(error);
  const Heading = level === 1 ? 'h1' : 'h2';
  return (
    <div class="page-state" role="alert">
      <Heading class="ds-heading" data-size="sm">
        {t(`error.${kind}.title`)}
      </Heading>
      <p class="ds-paragraph">{t(`error.${kind}.text`, { detail })}</p>
      <button type="button" class="ds-button" data-variant="secondary" onClick={onRetry}>
        {t('app.retry')}
      </button>
    </div>
  );
}

/** Why a note or an answer was not stored, said next to what the user wrote. */
export function useSaveError(): (error: unknown) => string {
  const { t } = usePreferences();
  return (error) => {
    const isOffline = error instanceof ApiError && error.status === 0;
    const reason = isOffline
      ? t('error.save.offline')
      : error instanceof Error
        ? error.message
        : String(error);
    return t('error.save', { reason: /[.!?]$/.test(reason) ? reason : `${reason}.` });
  };
}

function failureKind(error: unknown): 'offline' | 'forbidden' | 'not_found' | 'server' {
  if (!(error instanceof ApiError)) return 'server';
  switch (error.status) {
    case 0:
      return 'offline';
    case 401:
    case 403:
      return 'forbidden';
    case 404:
    case 410:
      return 'not_found';
    default:
      return 'server';
  }
}
