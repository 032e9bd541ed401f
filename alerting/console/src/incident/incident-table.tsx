// The rows of the list: a table where there is room, cards on a phone (the same table, laid out by CSS).
// Roles are written out because `display: block` takes a table's own roles away.
import { memo } from 'preact/compat';
import type { Incident } from '../api/types';
import { ExerciseTag, SeverityTag, StateTag, Time, VerdictText } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { incidentPath } from '../shell/router';
import { fieldName } from '../text/catalogue';
import { shortTime } from '../time';
import { entityParts, headline } from './wording';

interface IncidentTableProps {
  rows: readonly Incident[];
  isStale: boolean;
  onOpen: (incident: Incident) => void;
}

export function IncidentTable({ rows, isStale, onOpen }: IncidentTableProps) {
  const { t } = usePreferences();
  return (
    <table class={isStale ? 'ds-table incidents is-stale' : 'ds-table incidents'} role="table" data-hover>
      <caption class="ds-sr-only">{t('list.table')}</caption>
      <thead role="rowgroup">
        <tr role="row">
          <Column name={t('severity.label')} />
          <Column name={t('list.column.title')} />
          <Column name={t('list.organization')} />
          <Column name={t('list.column.entity')} />
          <Column name={t('list.column.count')} help={t('list.column.count.help')} kind="number" />
          <Column name={t('list.column.first_seen')} kind="cell-first" />
          <Column name={t('list.column.last_seen')} />
          <Column name={t('state.label')} />
          <Column name={t('verdict.label')} />
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((incident) => (
          <Row key={incident.id} incident={incident} onOpen={onOpen} />
        ))}
      </tbody>
    </table>
  );
}

function Column({ name, help, kind }: { name: string; help?: string; kind?: string }) {
  return (
    <th role="columnheader" scope="col" title={help} class={kind}>
      {name}
    </th>
  );
}

const Row = memo(function Row({
  incident,
  onOpen,
}: {
  incident: Incident;
  onOpen: (incident: Incident) => void;
}) {
  const { t, language } = usePreferences();
  const { text, rule } = headline(incident, language);
  const isSettled = incident.state === 'closed' || incident.state === 'acknowledged';
  return (
    <tr
      role="row"
      class={isSettled ? 'row is-settled' : 'row'}
      onClick={(event) => {
        // The whole row is a large target for the mouse; selecting an address to copy it is not a click.
        const isOnLink = event.target instanceof Element && event.target.closest('a') !== null;
        if (!isOnLink && event.button === 0 && getSelection()?.isCollapsed !== false) onOpen(incident);
      }}
    >
      <td role="cell" class="cell-severity">
        <SeverityTag severity={incident.severity} />
      </td>
      <th role="rowheader" scope="row" class="cell-title">
        <span class="title-line">
          <a
            class="row-link"
            title={text}
            href={incidentPath(incident.id)}
            data-incident={incident.id}
            onClick={(event) => {
              if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
                return;
              event.preventDefault();
              onOpen(incident);
            }}
          >
            {text}
          </a>
          {incident.exercise && <ExerciseTag />}
        </span>
        {rule !== null && (
          <span class="rule-name subtle" lang="en">
            {rule}
          </span>
        )}
      </th>
      <td role="cell" class="cell-organization">
        {incident.organization.name}
      </td>
      <td role="cell" class="cell-entity">
        {entityParts(incident.entity, t('entity.many')).map(({ field, value }) => (
          <span key={field} class="code entity" title={fieldName(language, field) ?? field}>
            {value}
          </span>
        ))}
      </td>
      <td role="cell" class="number" data-label={t('list.column.count')}>
        {incident.count}
      </td>
      <td role="cell" class="cell-time cell-first" data-label={t('list.column.first_seen')}>
        <Time at={incident.first_seen} />
      </td>
      <td role="cell" class="cell-time" data-label={t('list.column.last_seen')}>
        <Time at={incident.last_seen} />
        <Since incident={incident} />
      </td>
      <td role="cell" class="cell-state">
        <StateTag state={incident.state} />
      </td>
      <td role="cell" class="cell-verdict" data-label={t('verdict.label')}>
        {incident.verdict === null ? <NoVerdict /> : <VerdictText verdict={incident.verdict} />}
      </td>
    </tr>
  );
});

/** The first time below the last one, where there is no room for a column of its own; nothing when they are one. */
function Since({ incident }: { incident: Incident }) {
  const { t, language } = usePreferences();
  const now = new Date();
  const first = shortTime(incident.first_seen, language, now);
  if (first === shortTime(incident.last_seen, language, now)) return null;
  return <span class="since subtle">{t('list.since', { time: first })}</span>;
}

/** Most rows have none: a dash is calmer than the words, which are there for the ear. */
function NoVerdict() {
  const { t } = usePreferences();
  return (
    <span class="subtle">
      <span aria-hidden="true">–</span>
      <span class="ds-sr-only">{t('verdict.none')}</span>
    </span>
  );
}
