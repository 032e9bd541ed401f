// `/`: the live list of incidents. Rows stay where they are until the analyst asks for the new ones.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { acknowledgeIncident } from '../api/client';
import type { Connection } from '../api/stream';
import type { Incident } from '../api/types';
import { announce } from '../shell/announce';
import { useKeys } from '../shell/keys';
import { Failure, Loading, PageTitle, useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { incidentPath, keepPlace, keptPlace, navigate } from '../shell/router';
import { filterFromSearch, isFiltered, searchFromFilter, type Filter } from './filter';
import { FilterForm } from './filter-form';
import { IncidentTable } from './incident-table';
import { MAX_PENDING, type IncidentList } from './list';
import { useList } from './use-list';
import { headline } from './wording';

/** New incidents are said aloud at most this often: a flood must not talk over the analyst's work. */
const SAY_NEW_EVERY_MS = 5_000;

export function ListPage({ search }: { search: string }) {
  const { t, language } = usePreferences();
  const saveError = useSaveError();
  const filter = useMemo(() => filterFromSearch(search), [search]);
  const data = useList(filter);
  const { list, put } = data;
  const [failedSave, setFailedSave] = useState<string | null>(null);
  const table = useRef<HTMLDivElement>(null);

  useReturn(list !== null);
  usePendingSpoken(list?.pending.length ?? 0);

  const changeFilter = useCallback((next: Filter) => {
    navigate(`/${searchFromFilter(next)}`, { replace: true });
  }, []);

  const acknowledge = (incident: Incident) => {
    const title = headline(incident, language).text;
    if (incident.state === 'acknowledged' || incident.state === 'closed') {
      announce(t('list.already', { title }));
      return;
    }
    setFailedSave(null);
    acknowledgeIncident(incident.id, '')
      .then((updated) => {
        put(updated);
        announce(t('list.acknowledged', { title }));
      })
      .catch((failure: unknown) => {
        setFailedSave(saveError(failure));
      });
  };

  const showPending = () => {
    // More than we hold back at once: a fresh first page is the truth.
    if ((list?.pending.length ?? 0) >= MAX_PENDING) data.reload();
    else data.showPending();
    scrollTo({ top: 0 });
    requestAnimationFrame(() => {
      rowLinks(table.current)[0]?.focus();
    });
  };

  const focused = () => list?.rows.find((row) => row.id === focusedId(table.current));
  useKeys({
    j: () => {
      moveFocus(table.current, 1);
    },
    k: () => {
      moveFocus(table.current, -1);
    },
    a: () => {
      const incident = focused();
      if (incident !== undefined) acknowledge(incident);
    },
    n: () => {
      if (list !== null && list.pending.length > 0) showPending();
    },
    '/': () => {
      document.getElementById('filter-q')?.focus();
    },
  });

  return (
    <div class="list-page">
      <div class="list-head">
        <PageTitle title={t('list.title')}>{t('list.title')}</PageTitle>
        <Live connection={data.connection} />
      </div>
      <FilterForm filter={filter} onChange={changeFilter} />
      {failedSave !== null && (
        <div class="ds-alert" data-color="danger" role="alert">
          {failedSave}
        </div>
      )}
      <div ref={table} aria-busy={data.isLoading}>
        {list !== null && (
          <>
            <ListBar list={list} onShow={showPending} />
            {list.rows.length === 0 ? (
              <Empty filter={filter} isUnfinished={list.nextCursor !== null} />
            ) : (
              <IncidentTable rows={list.rows} isStale={data.isLoading} onOpen={open} />
            )}
          </>
        )}
        {list === null && data.isLoading && <Loading text={t('list.loading')} />}
        {data.error !== null && <Failure error={data.error} onRetry={data.reload} />}
        {list !== null && list.nextCursor !== null && (
          <div class="list-more">
            <button
              type="button"
              class="ds-button"
              data-variant="secondary"
              aria-disabled={data.isLoadingMore}
              onClick={() => {
                if (!data.isLoadingMore) data.loadMore();
              }}
            >
              {t(data.isLoadingMore ? 'list.more.loading' : 'list.more')}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

/** How many are shown, and how many wait. Has its height from the start: its button pushes no row down. */
function ListBar({ list, onShow }: { list: IncidentList; onShow: () => void }) {
  const { t } = usePreferences();
  const waiting = list.pending.length;
  const total = Math.max(list.total, list.rows.length);
  return (
    <div class="list-bar">
      <p class="ds-paragraph subtle" data-size="sm">
        {list.rows.length > 0 &&
          t(list.isTotalExact ? 'list.shown' : 'list.shown.least', { shown: list.rows.length, total })}
      </p>
      {waiting > 0 && (
        <button type="button" class="ds-button list-new" onClick={onShow}>
          {newcomers(t, waiting)} – {t('list.new.show').toLowerCase()}
        </button>
      )}
    </div>
  );
}

function Live({ connection }: { connection: Connection }) {
  const { t } = usePreferences();
  return (
    <p
      class={`live live-${connection}`}
      role="status"
      title={connection === 'lost' ? t('live.lost.help') : undefined}
    >
      <span class="live-dot" aria-hidden="true" />
      {t(`live.${connection}`)}
    </p>
  );
}

/** A search ends after so much work, though there may be more to find: that is no "nothing". */
function Empty({ filter, isUnfinished }: { filter: Filter; isUnfinished: boolean }) {
  const { t } = usePreferences();
  if (isUnfinished) {
    return (
      <div class="page-state">
        <h2 class="ds-heading" data-size="sm">
          {t('list.unfinished.title')}
        </h2>
        <p class="ds-paragraph">{t('list.unfinished.text')}</p>
      </div>
    );
  }
  const kind = isFiltered(filter) ? 'list.empty.filtered' : 'list.empty';
  return (
    <div class="page-state">
      <h2 class="ds-heading" data-size="sm">
        {t(`${kind}.title`)}
      </h2>
      <p class="ds-paragraph">{t(`${kind}.text`)}</p>
    </div>
  );
}

function newcomers(t: ReturnType<typeof usePreferences>['t'], n: number): string {
  if (n === 1) return t('list.new.one');
  return t('list.new.other', { n: n >= MAX_PENDING ? `${MAX_PENDING}+` : n });
}

function usePendingSpoken(waiting: number): void {
  const { t } = usePreferences();
  const latest = useRef(waiting);
  const said = useRef(0);
  latest.current = waiting;
  useEffect(() => {
    if (waiting === 0) said.current = 0;
    if (waiting <= said.current) return;
    const timer = setTimeout(
      () => {
        said.current = latest.current;
        if (latest.current > 0) announce(newcomers(t, latest.current));
      },
      said.current === 0 ? 0 : SAY_NEW_EVERY_MS,
    );
    return () => {
      clearTimeout(timer);
    };
  }, [waiting, t]);
}

/** Back from an incident: the same row focused, the same place on the screen. */
function useReturn(isReady: boolean): void {
  useLayoutEffect(() => {
    const place = keptPlace();
    if (!isReady || place === null) return;
    const { id, scroll } = place;
    const link = document.querySelector<HTMLElement>(`[data-incident="${CSS.escape(id)}"]`);
    link?.focus({ preventScroll: true });
    scrollTo({ top: scroll });
    // After a reload the list may be in another order: the row that has the focus is to be seen.
    link?.closest('tr')?.scrollIntoView({ block: 'nearest' });
  }, [isReady]);
}

function open(incident: Incident): void {
  keepPlace({ id: incident.id, scroll: window.scrollY });
  navigate(incidentPath(incident.id));
}

function rowLinks(table: HTMLElement | null): HTMLElement[] {
  return table === null ? [] : [...table.querySelectorAll<HTMLElement>('[data-incident]')];
}

function focusedId(table: HTMLElement | null): string | null {
  const row = document.activeElement?.closest('tr');
  if (row === null || row === undefined || table?.contains(row) !== true) return null;
  return row.querySelector<HTMLElement>('[data-incident]')?.dataset['incident'] ?? null;
}

function moveFocus(table: HTMLElement | null, step: 1 | -1): void {
  const links = rowLinks(table);
  const current = focusedId(table);
  const at = links.findIndex((link) => link.dataset['incident'] === current);
  const next = at < 0 ? links[0] : links[Math.min(Math.max(at + step, 0), links.length - 1)];
  next?.focus({ preventScroll: true });
  next?.closest('tr')?.scrollIntoView({ block: 'nearest' });
}
