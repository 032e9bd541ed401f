// Who is logged in, and the way out. Shows nothing where nobody logs in.
import { useEffect, useState } from 'preact/hooks';
import { fetchMe, logOut } from '../api/client';
import type { Me as MeData } from '../api/types';
import { usePreferences } from './preferences';
import { Link, navigate } from './router';

export function Me({ isAtPasskeys }: { isAtPasskeys: boolean }) {
  const { t } = usePreferences();
  const [me, setMe] = useState<MeData | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    fetchMe(abort.signal)
      .then(setMe)
      .catch(() => undefined); // Whatever is wrong, the page below says it.
    return () => {
      abort.abort();
    };
  }, []);
  if (me?.can_log_out !== true) return null;
  return (
    <div class="me">
      <span class="subtle">
        <span class="ds-sr-only">{t('login.as')} </span>
        {me.name}
      </span>
      {me.passkeys && (
        <Link class="ds-link" href="/passkeys" {...(isAtPasskeys ? { 'aria-current': 'page' as const } : {})}>
          {t('passkeys.title')}
        </Link>
      )}
      <button
        type="button"
        class="ds-button"
        data-variant="tertiary"
        data-color="neutral"
        onClick={() => {
          logOut()
            .catch(() => ({ next: null })) // A session that is gone already is what was asked for.
            .then(({ next }) => {
              // At the identity provider too, where there is one: it sends the browser back to the login page.
              if (typeof next === 'string') location.assign(next);
              else navigate('/login');
            })
            .catch(() => undefined);
        }}
      >
        {t('login.out')}
      </button>
    </div>
  );
}
