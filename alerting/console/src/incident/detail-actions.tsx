// What the analyst does with an incident: acknowledge it, and say what it was. A note being written is never lost.
import { useEffect, useRef, useState } from 'preact/hooks';
import { judgeIncident } from '../api/client';
import { VERDICTS, type IncidentDetail, type Verdict } from '../api/types';
import { announce } from '../shell/announce';
import { MAX_NOTE_CHARS, useDraft } from '../shell/draft';
import { StateIcon, VerdictIcon } from '../shell/icons';
import { useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';

interface ActionsProps {
  detail: IncidentDetail;
  failure: string | null;
  isSaving: boolean;
  onAcknowledge: () => void;
  onSaved: (detail: IncidentDetail) => void;
}

export function Actions({ detail, failure, isSaving, onAcknowledge, onSaved }: ActionsProps) {
  const { t } = usePreferences();
  const isDone = detail.state === 'acknowledged' || detail.state === 'closed';
  return (
    <section class="ds-card actions" aria-labelledby="actions">
      <h2 id="actions" class="ds-heading" data-size="2xs">
        {t('detail.actions')}
      </h2>
      {isDone ? (
        <Done />
      ) : (
        <div>
          <button
            type="button"
            id="acknowledge"
            class="ds-button"
            aria-describedby="acknowledge-help"
            aria-disabled={isSaving}
            onClick={onAcknowledge}
          >
            <StateIcon state="acknowledged" />
            {t(isSaving ? 'detail.saving' : 'detail.acknowledge')}
          </button>
          <p id="acknowledge-help" class="ds-paragraph subtle" data-size="sm">
            {t('detail.acknowledge.help')}
          </p>
        </div>
      )}
      {failure !== null && (
        <p class="ds-validation-message" role="alert">
          {failure}
        </p>
      )}
      <VerdictForm detail={detail} onSaved={onSaved} />
    </section>
  );
}

/** Takes the place of the button just pressed, and its focus with it. */
function Done() {
  const { t } = usePreferences();
  const line = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) line.current?.focus();
  }, []);
  return (
    <p ref={line} class="done" tabIndex={-1}>
      <StateIcon state="acknowledged" />
      {t('detail.acknowledged')}
    </p>
  );
}

function VerdictForm({
  detail,
  onSaved,
}: {
  detail: IncidentDetail;
  onSaved: (detail: IncidentDetail) => void;
}) {
  const { t } = usePreferences();
  const saveError = useSaveError();
  const [verdict, setVerdict] = useState<Verdict | null>(detail.verdict);
  const [note, setNote] = useDraft(detail.id);
  const [problem, setProblem] = useState<string | null>(null);
  const [saved, setSaved] = useState<Verdict | null>(null);
  const [isSaving, setIsSaving] = useState(false);

  // Someone else's verdict shows, unless one is being given here.
  useEffect(() => {
    setVerdict(detail.verdict);
  }, [detail.verdict]);

  const save = () => {
    if (isSaving) return;
    setSaved(null);
    if (verdict === null) {
      setProblem(t('detail.verdict.missing'));
      return;
    }
    setProblem(null);
    setIsSaving(true);
    judgeIncident(detail.id, verdict, note)
      .then((updated) => {
        onSaved(updated);
        // Whether the service kept the words shows in the timeline alone: a verdict that stands already changes nothing.
        const words = note.trim();
        if (words !== '' && !updated.timeline.some(({ text }) => text.endsWith(words))) {
          setProblem(t('detail.note.not_stored'));
          return;
        }
        setNote('');
        setSaved(verdict);
        announce(t('detail.verdict.saved', { verdict: t(`verdict.${verdict}`) }));
      })
      .catch((failure: unknown) => {
        setProblem(saveError(failure));
      })
      .finally(() => {
        setIsSaving(false);
      });
  };

  return (
    <form
      class="verdict-form"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <fieldset class="ds-fieldset">
        <legend class="ds-label" data-weight="medium">
          {t('verdict.label')}
        </legend>
        {VERDICTS.map((each) => (
          <div key={each} class="ds-field">
            <input
              id={`verdict-${each}`}
              class="ds-input"
              type="radio"
              name="verdict"
              value={each}
              checked={verdict === each}
              onChange={() => {
                setVerdict(each);
              }}
            />
            <label class="ds-label verdict" for={`verdict-${each}`}>
              <VerdictIcon verdict={each} />
              {t(`verdict.${each}`)}
            </label>
          </div>
        ))}
      </fieldset>
      <div class="ds-field">
        <label class="ds-label" data-weight="medium" for="note">
          {t('detail.note')}
        </label>
        <textarea
          id="note"
          class="ds-input"
          rows={3}
          maxLength={MAX_NOTE_CHARS}
          value={note}
          onInput={(event) => {
            setNote(event.currentTarget.value);
          }}
        />
      </div>
      {problem !== null && (
        <p class="ds-validation-message" role="alert">
          {problem}
        </p>
      )}
      {saved !== null && problem === null && (
        <p class="done">{t('detail.verdict.saved', { verdict: t(`verdict.${saved}`) })}</p>
      )}
      <button type="submit" class="ds-button" data-variant="secondary" aria-disabled={isSaving}>
        {t(isSaving ? 'detail.saving' : 'detail.verdict.save')}
      </button>
    </form>
  );
}
