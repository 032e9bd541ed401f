// `/r/:token`: what a municipality's own responder sees, on a phone, in the middle of something else.
// One incident, no way to any other. Opening it is recorded by a POST from this script, so that a mail
// scanner that merely fetches the link has not "seen" anything.
import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError, fetchResponder, isAbort, responderSeen } from '../api/client';
import type { IncidentExplained, ResponderView } from '../api/types';
import { EvidenceTable } from '../incident/detail-evidence';
import { Members } from '../incident/members';
import { entityParts, indicatorOf, matchedIn, sourceName } from '../incident/wording';
import { ExerciseBanner, Failure, Loading, PageTitle, SeverityTag } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { fieldName } from '../text/catalogue';
import { longTime } from '../time';
import { Answer } from './answer';

export function ResponderPage({ token }: { token: string }) {
  const { t, language } = usePreferences();
  const { view, setView, error, reload } = useResponder(token);

  if (view === null) {
    if (error === null) return <Loading text={t('responder.loading')} />;
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404) return <DeadLink kind="unknown" />;
    if (status === 410) return <DeadLink kind="gone" />;
    return <Failure error={error} onRetry={reload} level={1} />;
  }
  const { incident, organization } = view;
  return (
    <article class="responder">
      {incident.exercise && <ExerciseBanner />}
      <header class="responder-head">
        <PageTitle title={t('responder.title', { name: organization.name })}>
          {t('responder.title', { name: organization.name })}
        </PageTitle>
        <SeverityTag severity={incident.severity} />
      </header>
      <section aria-labelledby="what">
        <h2 id="what" class="ds-heading" data-size="xs">
          {t('responder.what')}
        </h2>
        <p class="ds-paragraph lead">{incident.summary[language]}</p>
        <WhenAndWhere incident={incident} />
        <Members incident={incident} />
      </section>
      <section aria-labelledby="sure">
        <h2 id="sure" class="ds-heading" data-size="xs">
          {t('confidence.label')}
        </h2>
        <p class="ds-paragraph">{t(`confidence.${incident.confidence}`)}</p>
      </section>
      <section class="first-step" aria-labelledby="first">
        <h2 id="first" class="ds-heading" data-size="xs">
          {t('responder.first')}
        </h2>
        <p class="ds-paragraph">{incident.first_step[language]}</p>
      </section>
      <Answer token={token} view={view} onChange={setView} />
      <Contact contact={view.contact} />
      <details class="ds-details technical">
        <summary>{t('responder.details')}</summary>
        <div data-size="sm">
          <p class="ds-paragraph">
            {t(`detail.source.${incident.source.kind}`)}: {sourceName(incident.source, language)} ·{' '}
            {t('detail.source.version')} {incident.source.version} · {incident.tlp}
          </p>
          <EvidenceTable evidence={matchedIn(incident)} events={[]} />
        </div>
      </details>
    </article>
  );
}

function useResponder(token: string) {
  const { suggestLanguage } = usePreferences();
  const [view, setView] = useState<ResponderView | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    fetchResponder(token, abort.signal)
      .then(async (fetched) => {
        suggestLanguage(fetched.language);
        setView(fetched);
        // A page that can't record "seen" is still worth reading: the answer buttons will say if we are offline.
        const seen = await responderSeen(token).catch(() => null);
        if (seen !== null && !abort.signal.aborted) setView(seen);
      })
      .catch((failure: unknown) => {
        if (!isAbort(failure)) setError(failure);
      });
    return () => {
      abort.abort();
    };
  }, [token, turn, suggestLanguage]);
  return {
    view,
    setView,
    error,
    reload: useCallback(() => {
      setTurn((before) => before + 1);
    }, []),
  };
}

function WhenAndWhere({ incident }: { incident: IncidentExplained }) {
  const { t, language } = usePreferences();
  const { entity, count } = incident;
  const indicator = indicatorOf(incident.source, language);
  return (
    <dl class="facts">
      {indicator !== null && (
        <div>
          <dt>{indicator.name}</dt>
          <dd class="code">{indicator.value}</dd>
        </div>
      )}
      <div>
        <dt>{t('responder.where')}</dt>
        {entityParts(entity, t('entity.many')).map(({ field, value }) => (
          <dd key={field}>
            {fieldName(language, field) ?? field}: <span class="code">{value}</span>
          </dd>
        ))}
      </div>
      <div>
        <dt>{t('responder.when')}</dt>
        <dd>
          {t('responder.when.text', {
            first: longTime(incident.first_seen, language),
            last: longTime(incident.last_seen, language),
          })}{' '}
          {count === 1 ? t('responder.when.count.one') : t('responder.when.count.other', { n: count })}
        </dd>
      </div>
    </dl>
  );
}

function Contact({ contact }: { contact: ResponderView['contact'] }) {
  const { t } = usePreferences();
  return (
    <section aria-labelledby="contact">
      <h2 id="contact" class="ds-heading" data-size="xs">
        {t('responder.contact')}
      </h2>
      <p class="ds-paragraph">{t('responder.contact.text', { name: contact.cert_name })}</p>
      <dl class="facts">
        {contact.cert_phone !== '' && (
          <div>
            <dt>{t('responder.phone')}</dt>
            <dd>
              <a class="ds-link" href={`tel:${contact.cert_phone.replace(/[^\d+]/g, '')}`}>
                {contact.cert_phone}
              </a>
            </dd>
          </div>
        )}
        {contact.cert_email !== '' && (
          <div>
            <dt>{t('responder.email')}</dt>
            <dd>
              <a class="ds-link" href={`mailto:${contact.cert_email}`}>
                {contact.cert_email}
              </a>
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function DeadLink({ kind }: { kind: 'gone' | 'unknown' }) {
  const { t } = usePreferences();
  const title = t(`responder.${kind}.title`);
  return (
    <div class="page-state">
      <PageTitle title={title}>{title}</PageTitle>
      <p class="ds-paragraph">{t(`responder.${kind}.text`)}</p>
    </div>
  );
}
