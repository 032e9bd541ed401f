// What was given up: whoever should know does not. A person tries again, or sets it aside and says why.
import { useCallback, useEffect, useState } from 'preact/hooks';
import { deadLetterAgain, deadLetterAside, fetchDeadLetters, isAbort } from '../api/client';
import type { DeadLetter, DeadLetters } from '../api/types';
import { announce } from '../shell/announce';
import { Failure, Loading, PageTitle, Time, useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { incidentPath, Link } from '../shell/router';

export function DeadLettersPage() {
  const { t } = usePreferences();
  const [letters, setLetters] = useState<DeadLetters | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    fetchDeadLetters(abort.signal)
      .then(setLetters)
      .catch((failure: unknown) => {
        if (!isAbort(failure)) setError(failure);
      });
    return () => {
      abort.abort();
    };
  }, [turn]);
  const reload = useCallback(() => {
    setTurn((before) => before + 1);
  }, []);
  if (letters === null) {
    if (error === null) return <Loading text={t('dead.loading')} />;
    return <Failure error={error} onRetry={reload} level={1} />;
  }
  return (
    <article>
      <PageTitle title={t('dead.title')}>{t('dead.title')}</PageTitle>
      <p class="ds-paragraph">{t('dead.intro')}</p>
      {letters.dead_letters.length === 0 ? (
        <p class="ds-paragraph">{t('dead.none')}</p>
      ) : (
        <>
          <p class="ds-paragraph">
            {t('dead.count', { n: letters.count, shown: letters.dead_letters.length })}
          </p>
          <ul class="dead-letters">
            {letters.dead_letters.map((letter) => (
              <Item key={letter.id} letter={letter} onDone={reload} />
            ))}
          </ul>
        </>
      )}
    </article>
  );
}

function Item({ letter, onDone }: { letter: DeadLetter; onDone: () => void }) {
  const { t } = usePreferences();
  const saveError = useSaveError();
  const [reason, setReason] = useState('');
  const [wrong, setWrong] = useState('');
  const [isBusy, setIsBusy] = useState(false);
  const name = `${letter.responder} (${letter.address_masked})`;
  const field = `reason-${letter.id}`;
  const act = (promise: Promise<unknown>, said: string) => {
    setIsBusy(true);
    setWrong('');
    promise
      .then(() => {
        announce(said);
        onDone();
      })
      .catch((failure: unknown) => {
        setWrong(saveError(failure));
        setIsBusy(false);
      });
  };
  return (
    <li class="dead-letter">
      <h2 class="ds-heading" data-size="2xs">
        {name}
      </h2>
      <p class="ds-paragraph">
        {t(`dead.kind.${letter.kind}`)} · <Time at={letter.given_up_at} /> ·{' '}
        {t('dead.attempts', { n: letter.attempts })}
        {letter.incident !== null && (
          <>
            {' · '}
            <Link class="ds-link" href={incidentPath(letter.incident)}>
              {t('dead.incident')}
            </Link>
          </>
        )}
      </p>
      <p class="ds-paragraph delivery-failed">{letter.error}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim() === '') setWrong(t('dead.reason.missing'));
          else act(deadLetterAside(letter.id, reason), t('dead.aside.done', { name }));
        }}
      >
        <button
          type="button"
          class="ds-button"
          disabled={isBusy}
          aria-label={t('dead.again.of', { name })}
          onClick={() => {
            act(deadLetterAgain(letter.id), t('dead.again.done', { name }));
          }}
        >
          {t('dead.again')}
        </button>
        <label class="ds-label" for={field}>
          {t('dead.reason')}
        </label>
        <input
          id={field}
          class="ds-input"
          value={reason}
          maxLength={500}
          aria-invalid={wrong !== ''}
          aria-describedby={wrong === '' ? undefined : `${field}-wrong`}
          onInput={(event) => {
            setReason(event.currentTarget.value);
          }}
        />
        <button type="submit" class="ds-button" data-variant="secondary" disabled={isBusy}>
          {t('dead.aside')}
        </button>
        {wrong !== '' && (
          <p id={`${field}-wrong`} class="ds-paragraph delivery-failed" role="alert">
            {wrong}
          </p>
        )}
      </form>
    </li>
  );
}
