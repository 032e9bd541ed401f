// The controls above the list. What they are set to lives in the address; this form only reads and writes that.
import { useEffect, useRef, useState } from 'preact/hooks';
import { fetchOrganizations } from '../api/client';
import { SEVERITIES, STATES, type Organization } from '../api/types';
import { usePreferences } from '../shell/preferences';
import { isFiltered, NO_FILTER, type Filter } from './filter';

/** Long enough to type a word without a request a letter, short enough to feel immediate. */
const TYPING_PAUSE_MS = 250;

/** The service refuses a longer search. */
const MAX_SEARCH_CHARS = 200;

interface FilterFormProps {
  filter: Filter;
  onChange: (filter: Filter) => void;
}

export function FilterForm({ filter, onChange }: FilterFormProps) {
  const { t } = usePreferences();
  const organizations = useOrganizations();
  const [text, setText] = useState(filter.q);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(filter);
  latest.current = filter;

  // The address changed elsewhere (back button, reset): show what it says.
  useEffect(() => {
    setText(filter.q);
  }, [filter.q]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );

  const change = (part: Partial<Filter>) => {
    clearTimeout(timer.current);
    onChange({ ...latest.current, q: text.trim(), ...part });
  };

  return (
    <form
      class="filters"
      role="search"
      aria-label={t('list.filters')}
      onSubmit={(event) => {
        event.preventDefault();
        change({});
      }}
    >
      <div class="ds-field filter-search">
        <label class="ds-label" data-weight="medium" for="filter-q">
          {t('list.search')}
        </label>
        <input
          id="filter-q"
          class="ds-input"
          type="search"
          autocomplete="off"
          spellcheck={false}
          maxLength={MAX_SEARCH_CHARS}
          placeholder={t('list.search.help')}
          value={text}
          onInput={(event) => {
            const { value } = event.currentTarget;
            setText(value);
            clearTimeout(timer.current);
            timer.current = setTimeout(() => {
              onChange({ ...latest.current, q: value.trim() });
            }, TYPING_PAUSE_MS);
          }}
        />
      </div>
      <Choice
        id="filter-severity"
        label={t('severity.label')}
        all={t('list.severity.all')}
        value={filter.severity}
        options={SEVERITIES.map((severity) => [severity, t(`severity.${severity}`)])}
        onChoose={(value) => {
          change({ severity: SEVERITIES.find((severity) => severity === value) ?? '' });
        }}
      />
      <Choice
        id="filter-state"
        label={t('state.label')}
        all={t('list.state.all')}
        value={filter.state}
        options={STATES.map((state) => [state, t(`state.${state}`)])}
        onChoose={(value) => {
          change({ state: STATES.find((state) => state === value) ?? '' });
        }}
      />
      <Choice
        id="filter-organization"
        label={t('list.organization')}
        all={t('list.organization.all')}
        value={filter.organization}
        options={withCurrent(organizations, filter.organization).map(({ number, name }) => [number, name])}
        onChoose={(organization) => {
          change({ organization });
        }}
      />
      <button
        type="button"
        class="ds-button"
        data-variant="tertiary"
        disabled={!isFiltered(filter)}
        onClick={() => {
          setText('');
          change(NO_FILTER);
          document.getElementById('filter-q')?.focus();
        }}
      >
        {t('list.reset')}
      </button>
    </form>
  );
}

interface ChoiceProps {
  id: string;
  label: string;
  all: string;
  value: string;
  options: (readonly [value: string, label: string])[];
  onChoose: (value: string) => void;
}

function Choice({ id, label, all, value, options, onChoose }: ChoiceProps) {
  return (
    <div class="ds-field">
      <label class="ds-label" data-weight="medium" for={id}>
        {label}
      </label>
      <select
        id={id}
        class="ds-input"
        value={value}
        onChange={(event) => {
          onChoose(event.currentTarget.value);
        }}
      >
        <option value="">{all}</option>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** The municipalities to choose from; asked for again each time the list opens. Empty where they can't be had. */
function useOrganizations(): Organization[] {
  const [organizations, setOrganizations] = useState<Organization[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    fetchOrganizations(abort.signal)
      .then((found) => {
        setOrganizations(found.toSorted((a, b) => a.name.localeCompare(b.name, 'nb')));
      })
      .catch(() => undefined); // The list beside it reports an unreachable service; the filter stays "all".
    return () => {
      abort.abort();
    };
  }, []);
  return organizations;
}

/** A number in the address that has no incidents (any more) is shown as a choice, not swallowed. */
function withCurrent(organizations: Organization[], number: string): Organization[] {
  if (number === '' || organizations.some((organization) => organization.number === number))
    return organizations;
  return [...organizations, { number, name: number }];
}
