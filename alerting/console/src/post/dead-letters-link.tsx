// The way to what was given up, with its number; only for those who may see it.
import { useEffect, useState } from 'preact/hooks';
import { fetchDeadLetters } from '../api/client';
import { usePreferences } from '../shell/preferences';
import { Link } from '../shell/router';

/** What was given up is looked at again this often: whoever leaves the console open should see it grow. */
const LOOK_MS = 60_000;

export function DeadLettersLink({ isHere }: { isHere: boolean }) {
  const { t } = usePreferences();
  const [count, setCount] = useState<number | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const look = () => {
      fetchDeadLetters(abort.signal)
        .then((letters) => {
          setCount(letters.count);
        })
        .catch(() => undefined); // Whoever may not see it has no link; whatever else is wrong, the page says it.
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [isHere]);
  if (count === null) return null;
  return (
    <Link
      class={count === 0 ? 'menu-link' : 'menu-link delivery-failed'}
      href="/dead-letters"
      {...(isHere ? { 'aria-current': 'true' as const } : {})}
    >
      {count === 0 ? t('app.nav.dead') : t('app.nav.dead.count', { n: count })}
    </Link>
  );
}
