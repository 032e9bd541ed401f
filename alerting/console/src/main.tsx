// The console's start: styles, preferences, and the page that the address asks for.
import '@digdir/designsystemet-css';
import '@digdir/designsystemet-theme';
import './styles/console.css';
import './styles/incident.css';
import './styles/responder.css';
import { render } from 'preact';
import { DetailPage } from './incident/detail-page';
import { ListPage } from './incident/list-page';
import { ResponderPage } from './responder/responder-page';
import { AnalystFrame, ResponderFrame } from './shell/frame';
import { PageTitle } from './shell/parts';
import { PreferencesProvider, usePreferences } from './shell/preferences';
import { Link, routeOf, useAddress } from './shell/router';

function Console() {
  const { path, search } = useAddress();
  const route = routeOf(path);
  if (route.page === 'responder') {
    return (
      <ResponderFrame>
        <ResponderPage key={route.token} token={route.token} />
      </ResponderFrame>
    );
  }
  return (
    <AnalystFrame>
      {route.page === 'incidents' && <ListPage search={search} />}
      {route.page === 'incident' && <DetailPage key={route.id} id={route.id} />}
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
