// `/incidents/:id`: an incident that explains itself. Fetched once, again when the stream says that it changed.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { acknowledgeIncident, fetchIncident, isAbort } from '../api/client';
import { listen } from '../api/stream';
import type { IncidentDetail } from '../api/types';
import { announce } from '../shell/announce';
import { useKeys } from '../shell/keys';
import {
  ExerciseBanner,
  Failure,
  Loading,
  PageTitle,
  SeverityTag,
  StateTag,
  useSaveError,
} from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { cameFrom, navigate } from '../shell/router';
import { fieldName } from '../text/catalogue';
import { Actions } from './detail-actions';
import { Events, EvidenceTable } from './detail-evidence';
import { Facts, Why } from './detail-why';
import { Notified, Route, Timeline } from './detail-told';
import { Members } from './members';
import { entityParts, headline, matchedIn } from './wording';

export function DetailPage({ id }: { id: string }) {
  const { t, language } = usePreferences();
  const { detail, error, reload, setDetail } = useDetail(id);
  const saveError = useSaveError();
  const [failure, setFailure] = useState<string | null>(null);
  const [isSaving, setIsSaving] = useState(false);

  const acknowledge = () => {
    if (detail === null || isSaving || isSettled(detail)) return;
    setIsSaving(true);
    setFailure(null);
    acknowledgeIncident(id, '')
      .then((updated) => {
        setDetail(updated);
        announce(t('list.acknowledged', { title: headline(updated, language).text }));
      })
      .catch((reason: unknown) => {
        setFailure(saveError(reason));
      })
      .finally(() => {
        setIsSaving(false);
      });
  };

  useKeys({
    a: acknowledge,
    u: back,
    v: () => {
      const chosen = document.querySelector<HTMLElement>('[name="verdict"]:checked');
      (chosen ?? document.querySelector<HTMLElement>('[name="verdict"]'))?.focus();
    },
  });

  if (detail === null) {
    return (
      <div class="detail">
        <BackLink />
        {error === null ? (
          <Loading text={t('detail.loading')} />
        ) : (
          <Failure error={error} onRetry={reload} level={1} />
        )}
      </div>
    );
  }
  const { text, rule } = headline(detail, language);
  const evidence = matchedIn(detail);
  return (
    <article class="detail">
      <BackLink />
      {detail.exercise && <ExerciseBanner />}
      <header class="detail-head">
        <PageTitle title={text}>{text}</PageTitle>
        {rule !== null && (
          <p class="ds-paragraph subtle" lang="en">
            {rule}
          </p>
        )}
        <p class="detail-line">
          <SeverityTag severity={detail.severity} />
          <StateTag state={detail.state} />
          <span>{detail.organization.name}</span>
          {entityParts(detail.entity, t('entity.many')).map(({ field, value }, _, parts) => (
            <span key={field}>
              {parts.length > 1 && <span class="subtle">{fieldName(language, field) ?? field} </span>}
              <span class="code">{value}</span>
            </span>
          ))}
        </p>
      </header>
      {error !== null && <Failure error={error} onRetry={reload} />}
      <div class="detail-grid">
        <div class="detail-lead">
          <Why detail={detail} language={language} />
          <Members incident={detail} />
        </div>
        <div class="detail-side">
          <Actions
            key={detail.id}
            detail={detail}
            failure={failure}
            isSaving={isSaving}
            onAcknowledge={acknowledge}
            onSaved={setDetail}
          />
          <Facts detail={detail} />
        </div>
        <div class="detail-rest">
          <EvidenceTable evidence={evidence} events={detail.events} />
          <Events events={detail.events} evidence={evidence} />
          {/* Every incident has a first line: without one, this is not for the reader to see. */}
          {detail.timeline.length > 0 && (
            <>
              <Notified notifications={detail.notifications} />
              <Route route={detail.route} />
              <Timeline timeline={detail.timeline} />
            </>
          )}
        </div>
      </div>
    </article>
  );
}

interface DetailData {
  detail: IncidentDetail | null;
  error: unknown;
  reload: () => void;
  setDetail: (detail: IncidentDetail) => void;
}

function useDetail(id: string): DetailData {
  const { t } = usePreferences();
  const [detail, setDetail] = useState<IncidentDetail | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const version = useRef(-1);
  version.current = detail?.version ?? -1;
  const reload = useCallback(() => {
    setTurn((before) => before + 1);
  }, []);

  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    fetchIncident(id, abort.signal)
      .then((fetched) => {
        if (version.current >= 0 && fetched.version > version.current) announce(t('detail.updated'));
        setDetail((before) => (before !== null && before.version > fetched.version ? before : fetched));
      })
      .catch((failure: unknown) => {
        if (!isAbort(failure)) setError(failure);
      });
    return () => {
      abort.abort();
    };
    // The language is no reason to fetch: every sentence comes in all three.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [id, turn]);

  useEffect(
    () =>
      listen({
        onIncident: (incident) => {
          if (incident.id === id && incident.version > version.current) reload();
        },
        onConnection: () => undefined,
        onGap: reload,
      }),
    [id, reload],
  );
  return { detail, error, reload, setDetail };
}

function isSettled(detail: IncidentDetail): boolean {
  return detail.state === 'acknowledged' || detail.state === 'closed';
}

function BackLink() {
  const { t } = usePreferences();
  return (
    <nav aria-label={t('detail.back')}>
      <a
        class="ds-link back"
        href="/"
        onClick={(event) => {
          if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
          event.preventDefault();
          back();
        }}
      >
        <span aria-hidden="true">←</span> {t('detail.back')}
      </a>
    </nav>
  );
}

/** Back to the list as it was left, filter included; to the plain list for who came by a link. */
function back(): void {
  if (hasListBehind()) history.back();
  else navigate('/');
}

function hasListBehind(): boolean {
  return cameFrom() === '/';
}
