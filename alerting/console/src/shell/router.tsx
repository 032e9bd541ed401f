// Pages by path, on the History API. Routes are data; a page is told its parameters and nothing else.
import type { AnchorHTMLAttributes } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'incidents' }
  | { page: 'incident'; id: string }
  | { page: 'responder'; token: string }
  | { page: 'dead-letters' }
  | { page: 'passkeys' }
  | { page: 'contact'; token: string }
  | { page: 'login' }
  | { page: 'unknown' };

export interface Address {
  path: string;
  search: string;
}

const CHANGED = 'varde:navigate';

export function routeOf(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const [first, second] = parts;
  if (first === undefined) return { page: 'incidents' };
  if (first === 'login' && parts.length === 1) return { page: 'login' };
  if (first === 'passkeys' && parts.length === 1) return { page: 'passkeys' };
  if (first === 'dead-letters' && parts.length === 1) return { page: 'dead-letters' };
  if (parts.length === 2 && second !== undefined) {
    if (first === 'incidents') return { page: 'incident', id: decode(second) };
    if (first === 'c') return { page: 'contact', token: decode(second) };
    if (first === 'r') return { page: 'responder', token: decode(second) };
  }
  return { page: 'unknown' };
}

export function incidentPath(id: string): string {
  return `/incidents/${encodeURIComponent(id)}`;
}

/** The login page, from which one comes back to this address. */
export function loginPath({ path, search }: Address): string {
  return `/login?back=${encodeURIComponent(path + search)}`;
}

/** Where to go after a login: a page of ours and nothing else, whoever wrote the link. */
export function backFrom(search: string): string {
  const back = new URLSearchParams(search).get('back') ?? '/';
  const isOurs = back.startsWith('/') && !/[\\\p{Cc}]|^\/\//u.test(back) && !back.startsWith('/login');
  return isOurs ? back : '/';
}

/** Where someone was on a page when leaving it for an incident. */
export interface Place {
  id: string;
  scroll: number;
}

/** Remembers the place in this entry of the history: there for every way back to it, after a reload too. */
export function keepPlace(place: Place): void {
  history.replaceState({ ...(history.state as object | null), place }, '');
}

/** The place kept here; null on the page that the browser opened, whose focus is the browser's own. */
export function keptPlace(): Place | null {
  const state = history.state as { place?: Place } | null;
  return hasMoved ? (state?.place ?? null) : null;
}

let hasMoved = false;

/** Goes to `to` (path and search). `replace` keeps the history as it is: for filters typed letter by letter. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (options.replace === true) history.replaceState(history.state, '', to);
  else {
    history.pushState({ from: location.pathname }, '', to);
    hasMoved = true;
  }
  dispatchEvent(new Event(CHANGED));
}

/** The path of the page before this one in the history, when that was a page of ours. */
export function cameFrom(): string | null {
  const state = history.state as { from?: unknown } | null;
  return typeof state?.from === 'string' ? state.from : null;
}

export function useAddress(): Address {
  const [address, setAddress] = useState(currentAddress);
  useEffect(() => {
    const update = () => {
      setAddress(currentAddress());
    };
    const move = () => {
      hasMoved = true;
      update();
    };
    addEventListener('popstate', move);
    addEventListener(CHANGED, update);
    return () => {
      removeEventListener('popstate', move);
      removeEventListener(CHANGED, update);
    };
  }, []);
  return address;
}

/** A link inside the console. Ctrl-click, middle click and the context menu work as on any link. */
export function Link({ href, ...rest }: AnchorHTMLAttributes & { href: string }) {
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        if (event.defaultPrevented || event.button !== 0) return;
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(href);
      }}
    />
  );
}

function currentAddress(): Address {
  return { path: location.pathname, search: location.search };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
