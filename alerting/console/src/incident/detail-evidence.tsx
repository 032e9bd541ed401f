// What matched, and the events it matched in. The matched part of a value stands in `<mark>`.
import type { Evidence, IncidentEvent } from '../api/types';
import { Time } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { fieldName } from '../text/catalogue';
import { fieldRows, valueText, type Piece } from './fields';

/** Events unfolded from the start; the rest wait folded, so that a long incident is still a short page. */
const OPEN_EVENTS = 1;

export function EvidenceTable({ evidence, events }: { evidence: Evidence[]; events: IncidentEvent[] }) {
  const { t } = usePreferences();
  const shown = distinct(evidence);
  return (
    <section aria-labelledby="evidence">
      <h2 id="evidence" class="ds-heading" data-size="xs">
        {t('detail.evidence')}
      </h2>
      {shown.length === 0 ? (
        <p class="ds-paragraph subtle">{t('detail.evidence.none')}</p>
      ) : (
        <table class="ds-table fields" role="table">
          <caption class="ds-sr-only">{t('detail.evidence.table')}</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">
                {t('detail.column.field')}
              </th>
              <th role="columnheader" scope="col">
                {t('detail.column.value')}
              </th>
              <th role="columnheader" scope="col">
                {t('detail.column.matched')}
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.map((item) => (
              <tr key={`${item.field} ${valueText(item.value)}`} role="row">
                <th role="rowheader" scope="row">
                  <FieldName field={item.field} />
                </th>
                <td role="cell" class="code">
                  {valueText(item.value)}
                </td>
                <td role="cell">
                  <mark class="code">{valueText(item.matched)}</mark>
                  <EventLink event={events.findIndex((event) => event.id === item.event_id)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

export function Events({ events, evidence }: { events: IncidentEvent[]; evidence: Evidence[] }) {
  const { t } = usePreferences();
  return (
    <section aria-labelledby="events">
      <h2 id="events" class="ds-heading" data-size="xs">
        {t('detail.events')}
      </h2>
      <p class="ds-paragraph subtle">
        {t(events.length === 0 ? 'detail.events.none' : 'detail.events.help')}
      </p>
      {events.map((event, index) => (
        <details key={event.id} id={`event-${index + 1}`} class="ds-details event" open={index < OPEN_EVENTS}>
          <summary>
            {t('detail.event', { n: index + 1 })}
            <span class="subtle">
              <Time at={event.timestamp} form="long" />
            </span>
          </summary>
          <EventFields event={event} evidence={evidence} n={index + 1} />
        </details>
      ))}
    </section>
  );
}

function EventFields({ event, evidence, n }: { event: IncidentEvent; evidence: Evidence[]; n: number }) {
  const { t } = usePreferences();
  return (
    <div>
      <table class="ds-table fields" role="table">
        <caption class="ds-sr-only">{t('detail.event.table', { n })}</caption>
        <thead class="ds-sr-only" role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">
              {t('detail.column.field')}
            </th>
            <th role="columnheader" scope="col">
              {t('detail.column.value')}
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {fieldRows(event, evidence).map((row) => (
            <tr key={row.field} role="row" class={row.isMatch ? 'is-match' : undefined}>
              <th role="rowheader" scope="row">
                <FieldName field={row.field} />
              </th>
              <td role="cell" class="code">
                {row.pieces.map(piece)}
                {row.isMatch && <span class="ds-sr-only"> ({t('detail.event.matched')})</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FieldName({ field }: { field: string }) {
  const { language } = usePreferences();
  const name = fieldName(language, field);
  if (name === null) return <span class="code">{field}</span>;
  return (
    <>
      {name} <span class="code subtle field-code">{field}</span>
    </>
  );
}

function EventLink({ event }: { event: number }) {
  const { t } = usePreferences();
  if (event < 0) return null;
  const id = `event-${event + 1}`;
  return (
    <a
      class="ds-link event-link"
      href={`#${id}`}
      onClick={(click) => {
        click.preventDefault();
        const details = document.getElementById(id);
        if (!(details instanceof HTMLDetailsElement)) return;
        details.open = true;
        details.querySelector('summary')?.focus();
      }}
    >
      {t('detail.evidence.event')} ({event + 1})
    </a>
  );
}

function piece(part: Piece, index: number) {
  return part.isMatch ? <mark key={index}>{part.text}</mark> : part.text;
}

/** A correlation's events repeat the same field and value: said once, at its first event. */
function distinct(evidence: Evidence[]): Evidence[] {
  const seen = new Set<string>();
  return evidence.filter((item) => {
    const said = JSON.stringify([item.field, item.value, item.matched]);
    if (seen.has(said)) return false;
    seen.add(said);
    return true;
  });
}
