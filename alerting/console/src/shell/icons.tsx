// The console's few icons, drawn here: shape tells what colour tells, for the one who sees no colour.
// Always beside a text, so hidden from screen readers.
import type { JSX } from 'preact';
import type { Severity, State, Verdict } from '../api/types';

const SEVERITY_SHAPES: Readonly<Record<Severity, JSX.Element>> = {
  // Octagon with an exclamation mark, triangle, diamond, bar, ring: told apart in black and white and at 16 px.
  critical: (
    <>
      <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />
      <path class="icon-cut" d="M7.1 3.6h1.8l-.3 5.2H7.4zM8 12.3a1.1 1.1 0 1 0 0-2.2 1.1 1.1 0 0 0 0 2.2z" />
    </>
  ),
  high: <path d="M8 1.5 15.2 14H.8z" fill="currentColor" />,
  medium: <path d="M8 1.2 14.8 8 8 14.8 1.2 8z" fill="currentColor" />,
  low: <path d="M2 6.5h12v3H2z" fill="currentColor" />,
  informational: <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="2" />,
};

const STATE_SHAPES: Readonly<Record<State, JSX.Element>> = {
  new: <circle cx="8" cy="8" r="4.5" fill="currentColor" />,
  notified: <path d="M1.5 3.5h13v9h-13zM2 4l6 5 6-5" class="icon-line" />,
  seen: (
    <path
      d="M1 8s2.6-4.5 7-4.5S15 8 15 8s-2.6 4.5-7 4.5S1 8 1 8zM8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z"
      class="icon-line"
    />
  ),
  acknowledged: <path d="m2.5 8.5 3.5 3.5 7.5-8" class="icon-line" />,
  closed: <path d="M3.5 7h9v7h-9zM5.5 7V4.5a2.5 2.5 0 0 1 5 0V7" class="icon-line" />,
};

const VERDICT_SHAPES: Readonly<Record<Verdict, JSX.Element>> = {
  true_positive: <path d="M8 2v7M8 12.5v1" class="icon-line" />,
  false_positive: <path d="m3.5 3.5 9 9M12.5 3.5l-9 9" class="icon-line" />,
  need_help: <path d="M5 5.5a3 3 0 1 1 4.5 2.6C8.4 8.7 8 9.2 8 10.2M8 12.8v1" class="icon-line" />,
};

export function SeverityIcon({ severity }: { severity: Severity }) {
  return <Icon shape={SEVERITY_SHAPES[severity]} />;
}

export function StateIcon({ state }: { state: State }) {
  return <Icon shape={STATE_SHAPES[state]} />;
}

export function VerdictIcon({ verdict }: { verdict: Verdict }) {
  return <Icon shape={VERDICT_SHAPES[verdict]} />;
}

/** A cairn with a fire on top: a varde, lit along the coast to warn the next one. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path class="logo-flame" d="M16 2.5c2.4 2.4 3.4 4.2 3.4 5.8a3.4 3.4 0 1 1-6.8 0c0-1.6 1-3.4 3.4-5.8z" />
      <path
        d="M12.3 13.5h7.4l1.1 4.5h-9.6zM10.2 19.5h11.6l1.2 4.5H9zM8 25.5h16l1.1 4.5H6.9z"
        fill="currentColor"
      />
    </svg>
  );
}

function Icon({ shape }: { shape: JSX.Element }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {shape}
    </svg>
  );
}
