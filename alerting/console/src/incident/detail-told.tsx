// Whom the incident was sent to, why them, and what has happened since.
import type { Notification, RouteStep, TimelineEntry } from '../api/types';
import { Time } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { timelineText } from './timeline-text';

export function Notified({ notifications }: { notifications: Notification[] }) {
  const { t } = usePreferences();
  return (
    <section aria-labelledby="notified">
      <h2 id="notified" class="ds-heading" data-size="xs">
        {t('detail.notified')}
      </h2>
      {notifications.length === 0 ? (
        <p class="ds-paragraph subtle">{t('detail.notified.none')}</p>
      ) : (
        <table class="ds-table stacked" role="table">
          <caption class="ds-sr-only">{t('detail.notified.table')}</caption>
          <thead role="rowgroup">
            <tr role="row">
              {(['responder', 'channel', 'delivery', 'seen', 'acknowledged'] as const).map((column) => (
                <th key={column} role="columnheader" scope="col">
                  {t(`detail.column.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {notifications.map((notification) => (
              <NotificationRow key={notification.id} notification={notification} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function NotificationRow({ notification }: { notification: Notification }) {
  const { t } = usePreferences();
  return (
    <tr role="row">
      <th role="rowheader" scope="row">
        {notification.responder}
        <span class="subtle below">{notification.address_masked}</span>
      </th>
      <td role="cell" data-label={t('detail.column.channel')}>
        {t(`detail.channel.${notification.channel}`)}
      </td>
      <td role="cell" data-label={t('detail.column.delivery')}>
        <div>
          <span class={notification.state === 'failed' ? 'delivery-failed' : undefined}>
            {t(`detail.delivery.${notification.state}`)}
          </span>
          {notification.sent_at !== null && (
            <span class="subtle below">
              <Time at={notification.sent_at} />
            </span>
          )}
          {notification.attempts > 1 && (
            <span class="subtle below">{t('detail.delivery.attempts', { n: notification.attempts })}</span>
          )}
          {notification.error !== null && <span class="below">{notification.error}</span>}
        </div>
      </td>
      <td role="cell" data-label={t('detail.column.seen')}>
        <Reached at={notification.seen_at} />
      </td>
      <td role="cell" data-label={t('detail.column.acknowledged')}>
        <Reached at={notification.acknowledged_at} />
      </td>
    </tr>
  );
}

function Reached({ at }: { at: string | null }) {
  const { t } = usePreferences();
  return at === null ? <span class="subtle">{t('detail.not_yet')}</span> : <Time at={at} />;
}

export function Route({ route }: { route: RouteStep[] }) {
  const { t } = usePreferences();
  return (
    <section aria-labelledby="route">
      <h2 id="route" class="ds-heading" data-size="xs">
        {t('detail.route')}
      </h2>
      {route.length === 0 ? (
        <p class="ds-paragraph subtle">{t('detail.route.none')}</p>
      ) : (
        <ol class="route">
          {route.map((step, index) => (
            <li key={index}>
              {t(`detail.route.step.${step.step}`)} {t(`detail.route.result.${step.result}`)}
              {step.detail !== '' && <span class="subtle below">{step.detail}</span>}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

export function Timeline({ timeline }: { timeline: TimelineEntry[] }) {
  const { t, language } = usePreferences();
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline" class="ds-heading" data-size="xs">
        {t('detail.timeline')}
      </h2>
      <ol class="timeline">
        {timeline.map((entry, index) => (
          <li key={index} class={`timeline-${entry.kind}`}>
            <span class="subtle">
              <Time at={entry.at} form="long" />
            </span>
            <span>
              <strong>{t(`detail.timeline.${entry.kind}`)}</strong>
              {entry.actor !== '' && <span class="subtle"> · {entry.actor}</span>}
            </span>
            {entry.text !== '' && <span class="timeline-text">{timelineText(entry, language)}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}
