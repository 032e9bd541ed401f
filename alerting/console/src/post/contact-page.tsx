// `/c/:token`: the yearly question to a contact. Opening it answers nothing; a mail scanner that follows links has not answered.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, answerContact, fetchContact, isAbort } from '../api/client';
import type { ContactAnswer, ContactView } from '../api/types';
import { Failure, Loading, PageTitle, useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';

export function ContactPage({ token }: { token: string }) {
  const { t, suggestLanguage } = usePreferences();
  const saveError = useSaveError();
  const [view, setView] = useState<ContactView | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [wrong, setWrong] = useState('');
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    fetchContact(token, abort.signal)
      .then((fetched) => {
        suggestLanguage(fetched.language);
        setView(fetched);
      })
      .catch((failure: unknown) => {
        if (!isAbort(failure)) setError(failure);
      });
    return () => {
      abort.abort();
    };
  }, [token, turn, suggestLanguage]);
  if (view === null) {
    if (error === null) return <Loading text={t('contact.loading')} />;
    return (
      <Failure
        error={error}
        level={1}
        onRetry={() => {
          setTurn((before) => before + 1);
        }}
      />
    );
  }
  const answer = (said: ContactAnswer) => {
    setWrong('');
    answerContact(token, said)
      .then(setView)
      .catch((failure: unknown) => {
        const isUsedUp = failure instanceof ApiError && failure.status === 410;
        setWrong(isUsedUp ? t('contact.used_up') : saveError(failure));
      });
  };
  return (
    <article class="responder">
      <PageTitle title={t('contact.title')}>{t('contact.title')}</PageTitle>
      <p class="ds-paragraph">{t('contact.text', { name: view.contact, organization: view.organization })}</p>
      <div role="group" aria-label={t('contact.title')} class="contact-answers">
        <button
          type="button"
          class="ds-button"
          onClick={() => {
            answer('right');
          }}
        >
          {t('contact.right')}
        </button>{' '}
        <button
          type="button"
          class="ds-button"
          data-variant="secondary"
          onClick={() => {
            answer('not_me');
          }}
        >
          {t('contact.not_me')}
        </button>
      </div>
      <p class="ds-paragraph" role="status">
        {view.answer !== null && t(`contact.thanks.${view.answer}`)}
      </p>
      {wrong !== '' && (
        <p class="ds-paragraph delivery-failed" role="alert">
          {wrong}
        </p>
      )}
      <p class="ds-paragraph">
        {view.cert.name}: <a href={`tel:${view.cert.phone.replaceAll(' ', '')}`}>{view.cert.phone}</a>,{' '}
        {view.cert.email}
      </p>
    </article>
  );
}
