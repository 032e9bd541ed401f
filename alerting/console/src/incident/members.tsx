import type { IncidentExplained } from '../api/types';
import { usePreferences } from '../shell/preferences';

/** Which things an incident about many is about, those with the most alerts first. */
export function Members({ incident }: { incident: IncidentExplained }) {
  const { t } = usePreferences();
  const { members, members_total: total } = incident;
  if (members === undefined || total === undefined) return null;
  return (
    <section aria-labelledby="members">
      <h2 id="members" class="ds-heading" data-size="2xs">
        {t('members.heading', { n: total })}
      </h2>
      <ul class="members">
        {members.map(({ value, count }) => (
          <li key={value}>
            <span class="code">{value}</span> <span class="subtle">{t('members.count', { n: count })}</span>
          </li>
        ))}
      </ul>
      {members.length < total && (
        <p class="ds-paragraph subtle">{t('members.more', { n: total - members.length })}</p>
      )}
    </section>
  );
}
