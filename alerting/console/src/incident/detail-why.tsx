// Why the incident was raised, in plain words first and in the rule's own after; and the facts beside it.
import type { IncidentDetail, Language } from '../api/types';
import { Time } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { fieldName } from '../text/catalogue';
import { longTime } from '../time';
import { entityParts, headline, sourceName } from './wording';

export function Why({ detail, language }: { detail: IncidentDetail; language: Language }) {
  const { t } = usePreferences();
  const { source, window } = detail;
  return (
    <section aria-labelledby="why">
      <h2 id="why" class="ds-heading" data-size="xs">
        {t('detail.why')}
      </h2>
      {headline(detail, language).text !== detail.summary[language] && (
        <p class="ds-paragraph lead">{detail.summary[language]}</p>
      )}
      <p class="ds-paragraph">{t(`confidence.${detail.confidence}`)}</p>
      <div class="first-step">
        <h3 class="ds-heading" data-size="2xs">
          {t('detail.first_step')}
        </h3>
        <p class="ds-paragraph">{detail.first_step[language]}</p>
      </div>
      <dl class="facts facts-wide">
        <div>
          <dt>{t(`detail.source.${source.kind}`)}</dt>
          <dd>{sourceName(source, language)}</dd>
        </div>
        <div>
          <dt>{t('detail.source.level')}</dt>
          <dd>{t(`severity.${detail.severity}`)}</dd>
        </div>
        <div>
          <dt>{t('detail.source.version')}</dt>
          <dd>{source.version}</dd>
        </div>
        <div>
          <dt>{t('detail.source.author')}</dt>
          <dd>{source.author.length > 0 ? source.author.join(', ') : t('detail.source.author.unknown')}</dd>
        </div>
        <div>
          <dt>{t('detail.source.id')}</dt>
          <dd class="code">{source.id}</dd>
        </div>
        {detail.tags.length > 0 && (
          <div>
            <dt>{t('detail.tags')}</dt>
            <dd class="code">{detail.tags.join(', ')}</dd>
          </div>
        )}
      </dl>
      {window !== null && (
        <>
          <h3 class="ds-heading" data-size="2xs">
            {t('detail.window')}
          </h3>
          <p class="ds-paragraph">
            {t('detail.window.text', {
              count: window.count,
              threshold: window.threshold ?? window.condition,
              start: longTime(window.start, language),
              end: longTime(window.end, language),
            })}{' '}
            {window.group_by.length > 0 &&
              t('detail.window.grouped', {
                fields: window.group_by.map((field) => fieldName(language, field) ?? field).join(', '),
              })}
          </p>
        </>
      )}
      {detail.description !== '' && (
        <>
          <h3 class="ds-heading" data-size="2xs">
            {t(source.kind === 'indicator' ? 'detail.description.indicator' : 'detail.description')}
          </h3>
          <p class="ds-paragraph">{detail.description}</p>
        </>
      )}
      <References references={detail.references} />
    </section>
  );
}

function References({ references }: { references: string[] }) {
  const { t } = usePreferences();
  if (references.length === 0) return null;
  return (
    <>
      <h3 class="ds-heading" data-size="2xs">
        {t('detail.references')}
      </h3>
      <ul class="ds-list references">
        {references.map((reference) => (
          <li key={reference}>
            {isWebAddress(reference) ? (
              <a class="ds-link" href={reference} rel="noreferrer noopener">
                {reference}
              </a>
            ) : (
              reference
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Facts({ detail }: { detail: IncidentDetail }) {
  const { t, language } = usePreferences();
  return (
    <section aria-labelledby="facts">
      <h2 id="facts" class="ds-heading" data-size="2xs">
        {t('detail.facts')}
      </h2>
      <dl class="facts">
        <div>
          <dt>{t('list.organization')}</dt>
          <dd>
            {detail.organization.name} <span class="subtle">({detail.organization.number})</span>
          </dd>
        </div>
        {entityParts(detail.entity, t('entity.many')).map(({ field, value }) => (
          <div key={field}>
            <dt>{fieldName(language, field) ?? field}</dt>
            <dd class="code">{value}</dd>
          </div>
        ))}
        <div>
          <dt>{t('list.column.count')}</dt>
          <dd>{detail.count}</dd>
        </div>
        <div>
          <dt>{t('list.column.first_seen')}</dt>
          <dd>
            <Time at={detail.first_seen} form="both" />
          </dd>
        </div>
        <div>
          <dt>{t('list.column.last_seen')}</dt>
          <dd>
            <Time at={detail.last_seen} form="both" />
          </dd>
        </div>
        <div>
          <dt>{t('detail.tlp')}</dt>
          <dd>{detail.tlp}</dd>
        </div>
        <div>
          <dt>{t('detail.source.id')}</dt>
          <dd class="code">{detail.id}</dd>
        </div>
      </dl>
    </section>
  );
}

/** A rule's reference is someone else's text: only a web address becomes a link, never `javascript:` and its kin. */
export function isWebAddress(text: string): boolean {
  try {
    return ['https:', 'http:'].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}
