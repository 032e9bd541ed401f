// Pages by path, on the History API. Routes are data; a page is told its parameters and nothing else.
import type { AnchorHTMLAttributes } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'incidents' }
  | { page: 'incident'; id: string }
  | { page: 'responder'; token: string }
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
  if (parts.length === 2 && second !== undefined) {
    if (first === 'incidents') return { page: 'incident', id: decode(second) };
    if (first === 'r') return { page: 'responder', token: decode(second) };
  }
  return { page: 'unknown' };
}

export function incidentPath(id: string): string {
  return `/incidents/${encodeURIComponent(id)}`;
}

/** Goes to `to` (path and search). `replace` keeps the history as it is: for filters typed letter by letter. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (options.replace === true) history.replaceState(history.state, '', to);
  else history.pushState({ from: location.pathname }, '', to);
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
    addEventListener('popstate', update);
    addEventListener(CHANGED, update);
    return () => {
      removeEventListener('popstate', update);
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
