// The list page's data: first page, further pages, and the stream merged in. Remembers the last list, so that
// coming back from an incident shows the same rows at once and catches up behind them.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { fetchIncidents, isAbort } from '../api/client';
import { listen, type Connection } from '../api/stream';
import type { Incident } from '../api/types';
import { queryFromFilter, searchFromFilter, type Filter } from './filter';
import { firstPage, nextPage, receive, showPending, type IncidentList } from './list';

export interface ListData {
  /** Null until the first page has come. */
  list: IncidentList | null;
  /** The rows on the screen are not (yet) those of the filter. */
  isLoading: boolean;
  isLoadingMore: boolean;
  error: unknown;
  connection: Connection;
  reload: () => void;
  loadMore: () => void;
  showPending: () => void;
  put: (incident: Incident) => void;
}

let remembered: IncidentList | null = null;

export function useList(filter: Filter): ListData {
  const key = searchFromFilter(filter);
  const [list, setList] = useState<IncidentList | null>(() => recall(key));
  const [isLoading, setIsLoading] = useState(list === null);
  const [isLoadingMore, setIsLoadingMore] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [connection, setConnection] = useState<Connection>('connecting');
  const [turn, setTurn] = useState(0);
  const latestFilter = useRef(filter);
  latestFilter.current = filter;

  const put = useCallback((incident: Incident) => {
    setList((before) => (before === null ? null : receive(before, incident)));
  }, []);

  useEffect(() => {
    remembered = list;
  }, [list]);

  useEffect(() => {
    const abort = new AbortController();
    const asked = latestFilter.current;
    setIsLoading(recall(key) === null || turn > 0);
    setError(null);
    fetchIncidents(queryFromFilter(asked, null), abort.signal)
      .then((page) => {
        setList((before) =>
          before !== null && turn === 0 && searchFromFilter(before.filter) === key
            ? page.incidents.toReversed().reduce(receive, before)
            : firstPage(asked, page),
        );
        setIsLoading(false);
      })
      .catch((failure: unknown) => {
        if (isAbort(failure)) return;
        setError(failure);
        setIsLoading(false);
      });
    return () => {
      abort.abort();
    };
  }, [key, turn]);

  useEffect(
    () =>
      listen({
        onIncident: put,
        onConnection: setConnection,
        onGap: () => {
          fetchIncidents(queryFromFilter(latestFilter.current, null))
            .then((page) => {
              for (const incident of page.incidents.toReversed()) put(incident);
            })
            .catch(() => undefined); // The connection line says already that we are out of touch.
        },
      }),
    [put],
  );

  const loadMore = useCallback(() => {
    const cursor = list?.nextCursor ?? null;
    if (cursor === null) return;
    setIsLoadingMore(true);
    setError(null);
    fetchIncidents(queryFromFilter(latestFilter.current, cursor))
      .then((page) => {
        // A filter changed meanwhile has its own first page: this one belongs to nobody.
        setList((before) => (before?.nextCursor === cursor ? nextPage(before, page) : before));
      })
      .catch(setError)
      .finally(() => {
        setIsLoadingMore(false);
      });
  }, [list]);

  return {
    list,
    isLoading,
    isLoadingMore,
    error,
    connection,
    reload: useCallback(() => {
      setTurn((before) => before + 1);
    }, []),
    loadMore,
    showPending: useCallback(() => {
      setList((before) => (before === null ? null : showPending(before)));
    }, []),
    put,
  };
}

function recall(key: string): IncidentList | null {
  return remembered !== null && searchFromFilter(remembered.filter) === key ? remembered : null;
}
