// The console's start: styles, preferences, and the page that the address asks for.
import '@digdir/designsystemet-css';
import '@digdir/designsystemet-theme';
import './styles/console.css';
import './styles/incident.css';
import './styles/responder.css';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { LOGGED_OUT } from './api/client';
import { DetailPage } from './incident/detail-page';
import { ListPage } from './incident/list-page';
import { LoginPage } from './login/login-page';
import { PasskeysPage } from './passkeys/passkeys-page';
import { ContactPage } from './post/contact-page';
import { DeadLettersPage } from './post/dead-letters-page';
import { ResponderPage } from './responder/responder-page';
import { AnalystFrame, LoginFrame, ResponderFrame } from './shell/frame';
import { PageTitle } from './shell/parts';
import { PreferencesProvider, usePreferences } from './shell/preferences';
import { Link, loginPath, navigate, routeOf, useAddress } from './shell/router';

function Console() {
  const { path, search } = useAddress();
  const route = routeOf(path);
  useEffect(() => {
    const leave = () => {
      const now = { path: location.pathname, search: location.search };
      if (routeOf(now.path).page !== 'login') navigate(loginPath(now), { replace: true });
    };
    addEventListener(LOGGED_OUT, leave);
    return () => {
      removeEventListener(LOGGED_OUT, leave);
    };
  }, []);
  if (route.page === 'login') {
    return (
      <LoginFrame>
        <LoginPage search={search} />
      </LoginFrame>
    );
  }
  if (route.page === 'contact') {
    return (
      <ResponderFrame>
        <ContactPage key={route.token} token={route.token} />
      </ResponderFrame>
    );
  }
  if (route.page === 'responder') {
    return (
      <ResponderFrame>
        <ResponderPage key={route.token} token={route.token} />
      </ResponderFrame>
    );
  }
  return (
    <AnalystFrame page={route.page}>
      {route.page === 'incidents' && <ListPage search={search} />}
      {route.page === 'incident' && <DetailPage key={route.id} id={route.id} />}
      {route.page === 'dead-letters' && <DeadLettersPage />}
      {route.page === 'passkeys' && <PasskeysPage />}
      {route.page === 'unknown' && <UnknownPage />}
    </AnalystFrame>
  );
}

function UnknownPage() {
  const { t } = usePreferences();
  return (
    <div class="page-state">
      <PageTitle title={t('error.page.title')}>{t('error.page.title')}</PageTitle>
      <p class="ds-paragraph">{t('error.page.text')}</p>
      <Link class="ds-link" href="/">
        {t('error.page.home')}
      </Link>
    </div>
  );
}

// Pages say themselves where they open; the browser's own guess comes before the rows are there.
history.scrollRestoration = 'manual';

const root = document.getElementById('app');
if (root !== null) {
  render(
    <PreferencesProvider>
      <Console />
    </PreferencesProvider>,
    root,
  );
}
